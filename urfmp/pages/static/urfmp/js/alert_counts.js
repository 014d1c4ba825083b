// On every page: the number of open alerts in the header and in the tab's title, kept up to date by
// the event stream, announced politely, and a sound for critical alerts if the user wants one.
(() => {
  "use strict";

  const REFRESH_DELAY_MS = 1000;
  const ANNOUNCE_DELAY_MS = 1500;
  const POLL_MS = 60000; // while the stream is down
  const SOUND_MS = 2500;
  const WORSE = new Set(["opened", "reopened", "severity_raised"]);

  let part = document.querySelector("[data-alert-counts]");
  if (!part) {
    return; // the role does not include alerts
  }
  const pageTitle = document.title;
  const status = document.createElement("p");
  status.className = "u-hidden";
  status.setAttribute("role", "status");
  status.dataset.alertAnnounce = "";
  document.querySelector("main").append(status);

  let isConnected = false;
  let refreshTimer = 0;
  let announceTimer = 0;
  const fresh = new Map(); // newest events of alerts that were not announced yet, by id

  function showTitle() {
    document.title = part.dataset.count === "0" ? pageTitle : `(${part.dataset.text}) ${pageTitle}`;
  }

  async function refresh() {
    try {
      const headers = { Accept: "text/html", "X-Unattended": "1" };
      const response = await fetch(part.dataset.address, { headers });
      const root = response.ok && !response.redirected
        && new DOMParser().parseFromString(await response.text(), "text/html").querySelector("[data-alert-counts]");
      if (root) {
        replace(root);
      }
    } catch {
      // The next event or poll tries again.
    }
  }

  function replace(root) {
    const hadFocus = part.contains(document.activeElement);
    const wasOnSound = hadFocus && document.activeElement === sound.button && "sound" in root.dataset;
    part.replaceWith(root);
    part = root;
    sound.show();
    if (hadFocus) {
      (wasOnSound ? sound.button : part.querySelector("a")).focus();
    }
    showTitle();
  }

  function schedule() {
    if (!refreshTimer) {
      refreshTimer = setTimeout(() => {
        refreshTimer = 0;
        refresh();
      }, REFRESH_DELAY_MS);
    }
  }

  // Several alerts at once are one announcement, and so are several events of one alert.
  function announce(event) {
    fresh.set(event.alert_id, event);
    announceTimer ||= setTimeout(() => {
      const [first] = fresh.values();
      const words = `${window.urfmp.label(first.severity)} alert: ${first.title}`;
      status.textContent = fresh.size === 1 ? words : `${words}, and ${fresh.size - 1} more`;
      fresh.clear();
      announceTimer = 0;
    }, ANNOUNCE_DELAY_MS);
  }

  // Browsers play no sound before the first click or key on a page. Until then a button says so.
  const sound = {
    context: null,
    button: null,

    get isReady() {
      return this.context?.state === "running";
    },

    async unlock() {
      if ("sound" in part.dataset && !this.isReady) {
        this.context ??= new AudioContext();
        await this.context.resume();
        this.show();
      }
    },

    // The button stays the same element, so that the click that unlocks the sound reaches it.
    build() {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "u-bell__sound";
      const icon = document.createElement("span");
      icon.className = "material-symbols-outlined";
      icon.setAttribute("aria-hidden", "true");
      button.append(icon);
      button.addEventListener("click", async () => {
        await this.unlock();
        this.play();
      });
      return button;
    },

    show() {
      if (!("sound" in part.dataset)) {
        return;
      }
      this.button ??= this.build();
      const text = this.isReady ? "Sound for critical alerts is on. Play it" : "The browser blocks the sound. Allow it";
      this.button.setAttribute("aria-label", text);
      this.button.title = text;
      this.button.firstElementChild.textContent = this.isReady ? "volume_up" : "volume_off";
      if (this.button.parentElement !== part) {
        part.append(this.button);
      }
    },

    play() {
      if (!this.isReady) {
        return;
      }
      const start = this.context.currentTime;
      [880, 660, 880, 660].forEach((frequency, index) => {
        const tone = this.context.createOscillator();
        const volume = this.context.createGain();
        const at = start + index * 0.3;
        tone.frequency.value = frequency;
        volume.gain.setValueAtTime(0, at);
        volume.gain.linearRampToValueAtTime(0.3, at + 0.02);
        volume.gain.linearRampToValueAtTime(0, at + 0.28);
        tone.connect(volume).connect(this.context.destination);
        tone.start(at);
        tone.stop(at + 0.3);
      });
    },

    // Of several tabs, one plays.
    request() {
      if (!("sound" in part.dataset) || !this.isReady) {
        return;
      }
      if (!navigator.locks) {
        this.play();
        return;
      }
      navigator.locks.request("urfmp-alert-sound", { ifAvailable: true }, async (lock) => {
        if (lock) {
          this.play();
          await new Promise((resolve) => { setTimeout(resolve, SOUND_MS); });
        }
      });
    },
  };

  const handlers = {
    alert: (event) => {
      schedule();
      if (WORSE.has(event.kind)) {
        announce(event);
        if (event.severity === "critical") {
          sound.request();
        }
      }
    },
    connection: ({ state }) => {
      if (state === "open" && !isConnected) {
        schedule(); // changes while the page was loading, or the stream was lost
      }
      isConnected = state === "open";
    },
    reset: schedule,
  };

  showTitle();
  sound.show();
  ["pointerdown", "keydown"].forEach((name) => document.addEventListener(name, () => sound.unlock()));
  window.urfmpStream.subscribe((event) => handlers[event.type]?.(event));
  setInterval(() => {
    if (!isConnected && !document.hidden) {
      refresh();
    }
  }, POLL_MS);
})();
