// gRPC-Web by fetch: one request, and the messages of its response as they come.
//
// The protocol: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md. Each frame is a byte of
// flags, four bytes of length (big endian), and as many bytes; the flag 0x80 marks the trailers.

const TRAILERS = 0x80;
const HEAD = 5;

/** The names of the codes, by their numbers. */
const CODES = ["OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
  "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
  "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"];

/** A call that did not end with OK. */
export class GrpcError extends Error {
  constructor(code, message) {
    super(`${CODES[code] ?? code}: ${message}`);
    this.code = code;
  }
}

/** Calls `method`, such as "package.Service/Method", and yields the bytes of each message. */
export async function* call(server, method, message, signal) {
  const response = await fetch(`${server}/${method}`, {
    method: "POST",
    headers: { "content-type": "application/grpc-web+proto", "x-grpc-web": "1" },
    body: frame(message),
    signal,
  });
  if (!response.ok) throw new GrpcError(2, `HTTP ${response.status}`);
  // A call that fails before its first message has its status in the headers.
  check(response.headers);
  let ended = false;
  for await (const { flags, bytes } of frames(response.body)) {
    if (flags & TRAILERS) {
      check(new Headers(trailers(bytes)));
      ended = true;
    } else {
      yield bytes;
    }
  }
  if (!ended && !response.headers.has("grpc-status")) throw new GrpcError(14, "the connection was lost");
}

function check(headers) {
  const code = Number(headers.get("grpc-status") ?? 0);
  if (code !== 0) throw new GrpcError(code, decodeURIComponent(headers.get("grpc-message") ?? ""));
}

function frame(message) {
  const bytes = new Uint8Array(HEAD + message.length);
  new DataView(bytes.buffer).setUint32(1, message.length);
  bytes.set(message, HEAD);
  return bytes;
}

async function* frames(stream) {
  let rest = new Uint8Array();
  for (const reader = stream.getReader(); ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const joined = new Uint8Array(rest.length + value.length);
    joined.set(rest);
    joined.set(value, rest.length);
    rest = joined;
    while (rest.length >= HEAD) {
      const end = HEAD + new DataView(rest.buffer, rest.byteOffset).getUint32(1);
      if (rest.length < end) break;
      yield { flags: rest[0], bytes: rest.slice(HEAD, end) };
      rest = rest.slice(end);
    }
  }
}

function trailers(bytes) {
  const lines = new TextDecoder().decode(bytes).split("\r\n").filter(Boolean);
  return lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
}
