// One stream of events for all tabs of a browser.
//
//   const stop = window.urfmpStream.subscribe((event) => { … });
//
// The callback gets the events as the server sends them ({type: "telemetry", …},
// {type: "status", …}), {type: "connection", state: "open" | "lost" | "ended"}, and {type: "reset"}
// when events were missed and the page should read its data again. "ended" is for good: the
// person's session is over, or somebody else has signed in.
//
// The address comes from <meta name="urfmp-live" content="…" data-subject="…">; the optional
// subject is the id of the person the page was drawn for. One tab holds a lock and the
// connection and hands the events on; when it closes, the next one takes over where it stopped.
(() => {
  "use strict";

  const SILENCE_MS = 40000; // the server says something every 15 seconds
  const FIRST_PAUSE_MS = 2000;
  const LONGEST_PAUSE_MS = 60000;

  const callbacks = new Set();
  let meta = null;
  let subject = "";
  let state = "lost";
  let lastId = "";
  let channel = null; // to the other tabs
  let giveUpLead = null; // ends this tab's turn, or its wait for one
  let source = null;
  let pause = FIRST_PAUSE_MS;
  let retryTimer = 0;
  let silenceTimer = 0;

  function deliver(event) {
    for (const callback of [...callbacks]) {
      try {
        callback(event);
      } catch (error) {
        console.error(error);
      }
    }
  }

  function setState(next) {
    if (state !== next) {
      state = next;
      deliver({ type: "connection", state });
    }
  }

  // What the leading tab receives goes to its own page and to the other tabs.
  function share(message) {
    receive(message);
    channel?.postMessage(message);
  }

  function receive(message) {
    if (message.id) {
      lastId = message.id;
    }
    if (message.state) {
      setState(message.state);
    }
    if (message.event) {
      deliver(message.event);
    }
  }

  // The connection, in the leading tab only

  function address() {
    const url = new URL(meta.content, document.baseURI);
    if (lastId) {
      url.searchParams.set("last_event_id", lastId);
    }
    return url.href;
  }

  function hearSomething() {
    clearTimeout(silenceTimer);
    silenceTimer = setTimeout(reconnect, SILENCE_MS);
  }

  function connect() {
    disconnect();
    source = new EventSource(address(), { withCredentials: true });
    source.onmessage = (message) => {
      hearSomething();
      share({ id: message.lastEventId, event: JSON.parse(message.data) });
    };
    source.addEventListener("heartbeat", hearSomething);
    source.addEventListener("welcome", (message) => {
      if (subject && JSON.parse(message.data).subject !== subject) {
        // Somebody else has signed in since: this page is not theirs.
        end();
        return;
      }
      pause = FIRST_PAUSE_MS;
      hearSomething();
      share({ id: message.lastEventId, state: "open" });
    });
    source.addEventListener("reset", () => share({ event: { type: "reset" } }));
    source.onerror = () => {
      share({ state: "lost" });
      // The browser tries again by itself after a break, but not after an answer such as 503.
      if (source?.readyState === EventSource.CLOSED) {
        askWhy();
      }
    };
    hearSomething();
  }

  function end() {
    share({ state: "ended" });
    disconnect();
  }

  // EventSource does not tell what the answer was.
  async function askWhy() {
    reconnect();
    const answer = await fetch(address(), { method: "HEAD", credentials: "include" }).catch(() => null);
    if (answer?.status === 401 && giveUpLead) {
      end();
    }
  }

  function reconnect() {
    share({ state: "lost" });
    disconnect();
    retryTimer = setTimeout(connect, pause * (0.75 + Math.random() / 2));
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }

  function disconnect() {
    clearTimeout(retryTimer);
    clearTimeout(silenceTimer);
    source?.close();
    source = null;
  }

  // Which tab leads

  function lead() {
    connect();
    return new Promise((resolve) => {
      giveUpLead = () => {
        disconnect();
        resolve();
      };
    });
  }

  function start() {
    meta ??= document.querySelector('meta[name="urfmp-live"]');
    if (!meta?.content || giveUpLead) {
      return;
    }
    subject = meta.dataset.subject ?? "";
    if (!navigator.locks || !window.BroadcastChannel) {
      lead();
      return;
    }
    const name = `urfmp-live:${subject}:${meta.content}`;
    channel = new BroadcastChannel(name);
    channel.onmessage = ({ data }) => {
      if (data.hello) {
        if (source || state === "ended") {
          channel.postMessage({ state, id: lastId });
        }
      } else if (!source) {
        receive(data);
      }
    };
    channel.postMessage({ hello: true });
    const waiting = new AbortController();
    giveUpLead = () => waiting.abort();
    navigator.locks.request(name, { signal: waiting.signal }, lead).catch((error) => {
      if (error.name !== "AbortError") {
        throw error;
      }
    });
  }

  function stop() {
    giveUpLead?.();
    giveUpLead = null;
    channel?.close();
    channel = null;
    state = "lost";
  }

  // A page kept for the Back button neither leads nor listens; shown again it catches up.
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", (event) => {
    if (event.persisted && callbacks.size) {
      start();
    }
  });

  window.urfmpStream = {
    subscribe(callback) {
      callbacks.add(callback);
      start();
      if (state === "open") {
        queueMicrotask(() => callbacks.has(callback) && callback({ type: "connection", state }));
      }
      return () => {
        callbacks.delete(callback);
        if (!callbacks.size) {
          stop();
        }
      };
    },
  };
})();
