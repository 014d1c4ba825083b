// One stream of events for all tabs of a browser.
//
//   const stop = window.urfmpStream.subscribe((event) => { … });
//
// The callback receives the events as the server sends them ({type: "telemetry", …},
// {type: "status", …}), {type: "connection", state: "open" | "lost" | "ended"}, and {type: "reset"}
// if events were missed and the page should reload its data. "ended" is final: the session has
// expired, or another user has logged in.
//
// The URL comes from <meta name="urfmp-live" content="…" data-subject="…">; the optional subject
// is the id of the user for whom the page was rendered. One tab owns a lock and the connection,
// and forwards the events; when it closes, another tab resumes the stream.
(() => {
  "use strict";

  const SILENCE_TIMEOUT_MS = 40000; // the server sends a heartbeat every 15 seconds
  const MIN_RETRY_MS = 2000;
  const MAX_RETRY_MS = 60000;

  const callbacks = new Set();
  let meta = null;
  let subject = "";
  let state = "lost";
  let lastId = "";
  let channel = null; // to the other tabs
  let releaseLead = null; // releases the lock, or stops waiting for it
  let source = null;
  let retryDelay = MIN_RETRY_MS;
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

  // Deliver a message of the leading tab to its own page and to the other tabs.
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

  function streamUrl() {
    const url = new URL(meta.content, document.baseURI);
    if (lastId) {
      url.searchParams.set("last_event_id", lastId);
    }
    return url.href;
  }

  function resetSilenceTimer() {
    clearTimeout(silenceTimer);
    silenceTimer = setTimeout(reconnect, SILENCE_TIMEOUT_MS);
  }

  function connect() {
    disconnect();
    source = new EventSource(streamUrl(), { withCredentials: true });
    source.onmessage = (message) => {
      resetSilenceTimer();
      share({ id: message.lastEventId, event: JSON.parse(message.data) });
    };
    source.addEventListener("heartbeat", resetSilenceTimer);
    source.addEventListener("welcome", (message) => {
      if (subject && JSON.parse(message.data).subject !== subject) {
        // Another user has logged in since the page was rendered.
        end();
        return;
      }
      retryDelay = MIN_RETRY_MS;
      resetSilenceTimer();
      share({ id: message.lastEventId, state: "open" });
    });
    source.addEventListener("reset", () => share({ event: { type: "reset" } }));
    source.onerror = () => {
      share({ state: "lost" });
      // The browser reconnects after a lost connection, but not after a response such as 503.
      if (source?.readyState === EventSource.CLOSED) {
        checkSession();
      }
    };
    resetSilenceTimer();
  }

  function end() {
    share({ state: "ended" });
    disconnect();
  }

  // EventSource does not expose the status of the response.
  async function checkSession() {
    reconnect();
    const response = await fetch(streamUrl(), { method: "HEAD", credentials: "include" }).catch(() => null);
    if (response?.status === 401 && releaseLead) {
      end();
    }
  }

  function reconnect() {
    share({ state: "lost" });
    disconnect();
    retryTimer = setTimeout(connect, retryDelay * (0.75 + Math.random() / 2));
    retryDelay = Math.min(retryDelay * 2, MAX_RETRY_MS);
  }

  function disconnect() {
    clearTimeout(retryTimer);
    clearTimeout(silenceTimer);
    source?.close();
    source = null;
  }

  // Election of the leading tab

  function lead() {
    connect();
    return new Promise((resolve) => {
      releaseLead = () => {
        disconnect();
        resolve();
      };
    });
  }

  function start() {
    meta ??= document.querySelector('meta[name="urfmp-live"]');
    if (!meta?.content || releaseLead) {
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
    releaseLead = () => waiting.abort();
    navigator.locks.request(name, { signal: waiting.signal }, lead).catch((error) => {
      if (error.name !== "AbortError") {
        throw error;
      }
    });
  }

  function stop() {
    releaseLead?.();
    releaseLead = null;
    channel?.close();
    channel = null;
    state = "lost";
  }

  // A page in the back/forward cache is disconnected; restored, it subscribes again.
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
