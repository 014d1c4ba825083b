// On every page of a signed-in user: registers the service worker where a page needs it, and ends it
// when the user signs out.
window.urfmpWebApp = (() => {
  "use strict";

  const CLEAR_MILLISECONDS = 3000;
  const leaving = [];

  const isSupported = "serviceWorker" in navigator;

  // Pages that need the service worker call this, for example to receive push messages.
  async function register() {
    await navigator.serviceWorker.register("/service-worker.js", { scope: "/", updateViaCache: "none" });
    return navigator.serviceWorker.ready;
  }

  async function registration() {
    return isSupported ? navigator.serviceWorker.getRegistration("/") : undefined;
  }

  function cleared(worker) {
    return new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = resolve;
      worker.postMessage({ type: "sign-out" }, [port2]);
    });
  }

  // The server forgets the push subscription of this browser, too.
  async function nameSubscription(found, form) {
    const subscription = await found.pushManager?.getSubscription();
    if (subscription) {
      const input = document.createElement("input");
      Object.assign(input, { type: "hidden", name: "push_endpoint", value: subscription.endpoint });
      form.append(input);
    }
  }

  // Deletes what the service worker stores for the user, and the worker itself.
  async function end(form) {
    const found = await registration();
    if (!found) {
      return;
    }
    await nameSubscription(found, form);
    await Promise.allSettled(leaving.map(async (leave) => leave(found)));
    if (found.active) {
      await cleared(found.active);
    }
    await found.unregister();
  }

  // The user is signed out in any case, even if the service worker does not answer.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.id !== "logout-form" || !isSupported || form.dataset.cleared) {
      return;
    }
    event.preventDefault();
    form.dataset.cleared = "yes";
    const timeout = new Promise((resolve) => { setTimeout(resolve, CLEAR_MILLISECONDS); });
    Promise.race([end(form).catch(() => undefined), timeout]).then(() => form.submit());
  });

  // `leave(registration)` runs before the form of the sign-out is sent.
  return { isSupported, onSignOut: (leave) => leaving.push(leave), register, registration };
})();
