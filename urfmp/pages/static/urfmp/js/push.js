// Turns push messages on and off in this browser, on the page of the user's own notifications.
(() => {
  "use strict";

  const panel = document.getElementById("own-browsers");
  const webApp = window.urfmpWebApp;
  const button = panel.querySelector("[data-push-on]");
  const note = panel.querySelector("[data-push-note]");
  const form = panel.querySelector("[data-push-form]");

  const UNSUPPORTED = "This browser cannot receive push messages. On an iPhone or iPad, add URFMP to the"
    + " home screen first: open it in Safari, choose Share and then Add to Home Screen.";
  const DENIED = "This browser blocks notifications of this site. Allow them in the browser's settings for"
    + " this site, then load this page again.";
  const FAILED = "The browser's push service cannot be reached. Check the network connection of this device"
    + " and try again.";

  function say(text) {
    note.textContent = text;
    note.hidden = !text;
  }

  function bytes(base64url) {
    const text = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(text, (character) => character.charCodeAt(0));
  }

  async function digest(text) {
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
    return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // Returns the row of this browser, if the server knows its subscription.
  async function ownRow() {
    const registration = await webApp.registration();
    const subscription = await registration?.pushManager?.getSubscription();
    return subscription ? panel.querySelector(`[data-endpoint="${await digest(subscription.endpoint)}"]`) : null;
  }

  async function subscribe() {
    if (await Notification.requestPermission() !== "granted") {
      say(DENIED);
      return;
    }
    const registration = await webApp.register();
    // One that the server does not know may belong to another user or key.
    await (await registration.pushManager.getSubscription())?.unsubscribe();
    const key = bytes(button.dataset.pushOn);
    const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
    const { endpoint, keys } = subscription.toJSON();
    form.elements.endpoint.value = endpoint;
    form.elements.browser_key.value = keys.p256dh;
    form.elements.auth_secret.value = keys.auth;
    form.submit();
  }

  async function start() {
    if (!webApp.isSupported || !("PushManager" in window) || !("Notification" in window)) {
      say(UNSUPPORTED);
      return;
    }
    const row = await ownRow();
    if (row) {
      row.querySelector("[data-this-browser]").hidden = false;
      return;
    }
    button.hidden = false;
    if (Notification.permission === "denied") {
      say(DENIED);
    }
  }

  button.addEventListener("click", () => {
    say("");
    button.disabled = true;
    subscribe().catch(() => say(FAILED)).finally(() => { button.disabled = false; });
  });
  start().catch(() => say(UNSUPPORTED));
})();
