// Runs in the page before any of its own scripts: logs in, and tells what its WebSockets do. Where there is a control, it
// hands over one message at a time, so that what the page changes afterwards belongs to that message. The first few of
// each type are waited for.
(login, types, control, quiet, patience, most) => {
  "use strict";
  if (window !== window.top || location.origin !== login.origin) return;
  const tell = (what) => globalThis.netraCheckTell(JSON.stringify(what));

  // Once: what the page makes of its login later is its own.
  if (!sessionStorage.getItem("netra-check")) {
    sessionStorage.setItem("netra-check", "seeded");
    for (const [key, value] of Object.entries(login.storage)) localStorage.setItem(key, value);
  }

  let changes = 0;
  let changed = performance.now();
  new MutationObserver((records) => {
    changes += records.length;
    changed = performance.now();
  }).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });

  const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  const rests = () => performance.now() - changed >= quiet;

  // Until the page has come to rest; one that never does is not waited for.
  const rest = async (since) => {
    while (!rests() && performance.now() - since < 4 * patience) await wait(quiet / 4);
  };

  // Until the page has changed and come to rest, or has not changed for so long.
  const settled = async (since, before) => {
    while (changes === before && performance.now() - since < patience) await wait(quiet / 4);
    await rest(since);
  };

  const typeOf = (data) => {
    try {
      const message = JSON.parse(data);
      const at = (pointer) => pointer.split("/").slice(1).reduce((value, key) => value?.[key], message);
      return types.map(at).find((type) => typeof type === "string") ?? "";
    } catch {
      return "";
    }
  };

  const released = new WeakSet();
  const times = new Map();
  let sockets = 0;
  // Something was handed over and not waited for.
  let unwatched = false;
  let watched = 0;

  globalThis.WebSocket = class extends WebSocket {
    constructor(url, protocols) {
      super(...(protocols === undefined ? [url] : [url, protocols]));
      const socket = ++sockets;
      const waiting = [];
      let busy = false;
      const hand = (event) => {
        const copy = new event.constructor(event.type, event);
        released.add(copy);
        this.dispatchEvent(copy);
      };
      const watch = async (event, data) => {
        const [since, before] = [performance.now(), changes];
        hand(event);
        await settled(since, before);
        tell({ is: "shown", socket, data, changes: changes - before });
      };
      const show = async (event) => {
        const data = typeof event.data === "string" ? event.data : null;
        const type = typeOf(data);
        times.set(type, (times.get(type) ?? 0) + 1);
        if (control.text === null || times.get(type) > most) {
          unwatched = true;
          hand(event);
          return tell({ is: "shown", socket, data, changes: null });
        }
        if (unwatched) await rest(performance.now());
        unwatched = false;
        await watch(event, data);
        // Also in the middle of a run, when a page may have a clock going.
        if (++watched % control.every === 1) {
          const origin = new URL(this.url).origin;
          await watch(new MessageEvent("message", { data: control.text, origin }), control.text);
        }
      };
      const release = async () => {
        if (busy) return;
        busy = true;
        for (let event = waiting.shift(); event; event = waiting.shift()) {
          if (event.type === "message") await show(event);
          else {
            tell({ is: "closed", socket, code: event.code });
            hand(event);
          }
        }
        busy = false;
      };
      // Registered before the page can, it is asked first. An end waits until what came before it was shown.
      for (const type of ["message", "close"]) {
        super.addEventListener(type, (event) => {
          if (released.has(event)) return;
          event.stopImmediatePropagation();
          waiting.push(event);
          release();
        });
      }
      tell({ is: "opened", socket, url: this.url, protocols: [protocols ?? []].flat() });
    }
  };
}
