"use strict";

const state = document.getElementById("state");
const typeOf = (message) => message.type ?? message.event ?? message.kind;
const payloadOf = (message) => message.payload ?? message.data ?? message;
const layerOf = (type) => Object.keys(CONTRACT.layers).find((layer) => CONTRACT.layers[layer].includes(type)) ?? "session";
const handled = new Set(CONTRACT.handled.map(typeOf));
let socket;

// The OAuth callback brings the token set in the fragment.
const fragment = new URLSearchParams(location.hash.slice(1));
if (fragment.has("access_token")) {
  localStorage.setItem("jwt_token", fragment.get("access_token"));
  localStorage.setItem("refresh_token", fragment.get("refresh_token"));
  history.replaceState(null, "", "/");
}

const base64url = (text) => btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

function show(message) {
  const item = document.createElement("li");
  item.dataset.event = typeOf(message);
  item.textContent = `${typeOf(message)} ${JSON.stringify(payloadOf(message))}`;
  document.getElementById(layerOf(typeOf(message))).append(item);
}

async function refresh(urls) {
  const answer = await fetch(urls.auth + CONTRACT.paths.refresh, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ refresh_token: localStorage.getItem("refresh_token") }),
  });
  if (!answer.ok) return false;
  const tokens = await answer.json();
  localStorage.setItem("jwt_token", tokens.access_token);
  localStorage.setItem("refresh_token", tokens.refresh_token);
  return true;
}

// How a socket shows a token; a page cannot set headers.
async function open(urls, token) {
  const url = new URL(urls.ws);
  if (CONTRACT.carrier === "query") url.searchParams.set("token", token);
  if (CONTRACT.carrier === "ticket") {
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(urls.api + CONTRACT.paths.ticket, { method: "POST", headers });
    url.searchParams.set("ticket", (await answer.json())[CONTRACT.ticket]);
  }
  const protocol = CONTRACT.token_prefix + (CONTRACT.token_raw ? token : base64url(token));
  return new WebSocket(url, CONTRACT.carrier === "subprotocol" ? [CONTRACT.subprotocol, protocol] : []);
}

async function connect() {
  const token = localStorage.getItem("jwt_token");
  if (!token) return void (state.textContent = "not logged in");
  const { urls } = await (await fetch(CONTRACT.paths.config)).json();
  let expired = false;
  socket = await open(urls, token);
  socket.onopen = () => (state.textContent = "connected");
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (payloadOf(message).error_code === "TOKEN_EXPIRED") expired = true;
    if (handled.has(typeOf(message)) && typeOf(message) !== CONTRACT.hidden) show(message);
  };
  socket.onclose = async ({ code }) => {
    state.textContent = `closed (${code})`;
    // A refusal before 101 shows as 1006 without a reason, so a token that no longer serves is tried once, too.
    if (CONTRACT.keeps_old_token) setTimeout(connect, 1000);
    else if ((expired || code === 1006) && (await refresh(urls))) connect();
  };
}

document.getElementById("ask").onsubmit = (submit) => {
  submit.preventDefault();
  const content = new FormData(submit.target).get("content");
  const message = structuredClone(CONTRACT.ask);
  payloadOf(message).content = content;
  socket?.send(JSON.stringify(message));
  submit.target.reset();
};

connect();
