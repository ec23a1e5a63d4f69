// The few messages of user.v1 that the page needs, by the numbers of their fields. A page that needs more
// takes generated code (protoc-gen-es and Connect, for example); this one has nothing to install.
//
// The encoding: https://protobuf.dev/programming-guides/encoding/

const VARINT = 0, I64 = 1, LEN = 2, I32 = 5;

/** Reads the fields of a message: a map from number to the list of its values. */
function fields(bytes) {
  const found = new Map();
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    let value;
    switch (tag & 7) {
      case VARINT: value = Number(varint()); break;
      case I64: at += 8; break;
      case I32: at += 4; break;
      case LEN: {
        const length = Number(varint());
        value = bytes.slice(at, at + length);
        at += length;
        break;
      }
      default: throw new Error(`wire type ${tag & 7}`);
    }
    const number = tag >> 3;
    found.set(number, [...(found.get(number) ?? []), value]);
  }
  return found;
}

const text = (bytes) => new TextDecoder().decode(bytes ?? new Uint8Array());

function user(bytes) {
  const field = fields(bytes);
  return {
    id: text(field.get(1)?.[0]),
    displayName: text(field.get(2)?.[0]),
    email: text(field.get(3)?.[0]),
    age: field.get(4)?.[0],
  };
}

/** WatchUsersRequest with initial_sync, or with a resume_token. */
export function watchRequest(resumeToken) {
  if (!resumeToken) return new Uint8Array([(2 << 3) | VARINT, 1]);
  const token = new TextEncoder().encode(resumeToken);
  if (token.length > 127) throw new Error("a resume token is short");
  return new Uint8Array([(1 << 3) | LEN, token.length, ...token]);
}

/** WatchUsersResponse. */
export function watchResponse(bytes) {
  const field = fields(bytes);
  const change = field.get(1)?.[0];
  return {
    change: change && { deleted: fields(change).get(1)?.[0] === 3, user: user(fields(change).get(2)[0]) },
    isComplete: field.has(2),
    resumeToken: text(field.get(4)?.[0]),
  };
}

/** ListUsersRequest: one page. */
export function listRequest() {
  return new Uint8Array();
}

/** ListUsersResponse. */
export function listResponse(bytes) {
  return { users: (fields(bytes).get(1) ?? []).map(user) };
}
