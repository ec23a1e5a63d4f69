// Shows the first page of users at once, and then everything that changes, for as long as it is open.
//
// The server is `?server=http://host:port`, by default port 8080 of the page's own host; its setting
// web.allowed_origins has to name the page's origin.

import { call } from "./grpc-web.js";
import { listRequest, listResponse, watchRequest, watchResponse } from "./messages.js";

const SERVICE = "user.v1.UserService";
const RETRY_MS = 1_000;

const server = new URLSearchParams(location.search).get("server") ?? `http://${location.hostname || "localhost"}:8080`;
const rows = document.getElementById("rows");
const say = (what) => { document.getElementById("status").textContent = what; };

function show({ id, displayName, email, age }) {
  const row = document.getElementById(id) ?? rows.appendChild(document.createElement("tr"));
  row.id = id;
  row.replaceChildren(...[displayName, email, age ?? ""].map((value) => {
    const cell = document.createElement("td");
    // Text and never HTML: names are what somebody typed.
    cell.textContent = value;
    return cell;
  }));
}

async function list() {
  for await (const message of call(server, `${SERVICE}/ListUsers`, listRequest())) {
    listResponse(message).users.forEach(show);
  }
  say(`${rows.childElementCount} listed`);
}

// The resume token makes it miss nothing and repeat nothing when the connection is lost.
async function watch() {
  for (let token; ;) {
    try {
      for await (const message of call(server, `${SERVICE}/WatchUsers`, watchRequest(token))) {
        const { change, isComplete, resumeToken } = watchResponse(message);
        if (change?.deleted) document.getElementById(change.user.id)?.remove();
        else if (change) show(change.user);
        token = resumeToken || token;
        if (isComplete || change) say(`${rows.childElementCount} shown, watching`);
      }
    } catch (error) {
      say(`${error.message}; trying again`);
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

await list().catch((error) => say(error.message));
await watch();
