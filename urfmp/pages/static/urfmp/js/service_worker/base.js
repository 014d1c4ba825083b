// Base of the service worker. Its modules use `self.urfmpWorker`:
//   keepCache(name)   keeps a cache of this version; caches of other versions are deleted
//   onSignOut(clear)  deletes what a module stores for the user; may return a promise
//   post(path, data)  sends JSON with the session of the browser and its CSRF token
//   openPage(path)    shows a page of the product in an open window, or in a new one
// and `self.urfmpPictures`, the URLs of the pictures `icon` and `badge`. The pages work without the
// service worker, and nothing is cached unless a module does it.
self.urfmpWorker = (() => {
  "use strict";

  const caches_ = new Set();
  const clearing = [];

  // A new version takes over at once. Pages hold no references to the old one.
  self.addEventListener("install", () => self.skipWaiting());

  self.addEventListener("activate", (event) => {
    const clean = async () => {
      const names = await caches.keys();
      await Promise.all(names.filter((name) => !caches_.has(name)).map((name) => caches.delete(name)));
      await self.clients.claim();
    };
    event.waitUntil(clean());
  });

  // One module that fails must not keep the data of another.
  async function signOut() {
    await Promise.allSettled(clearing.map(async (clear) => clear()));
    const names = await caches.keys();
    await Promise.all(names.map((name) => caches.delete(name)));
  }

  self.addEventListener("message", (event) => {
    if (event.data?.type === "sign-out") {
      event.waitUntil(signOut().finally(() => event.ports[0]?.postMessage("done")));
    }
  });

  async function csrfToken() {
    const response = await fetch("/admin/csrf-token/", { credentials: "same-origin", redirect: "error" });
    if (!response.ok) {
      throw new Error(`The CSRF token was answered with ${response.status}.`);
    }
    return (await response.json()).token;
  }

  async function post(path, data = {}) {
    const response = await fetch(path, {
      method: "POST",
      credentials: "same-origin",
      redirect: "error",
      headers: { "Content-Type": "application/json", "X-CSRFToken": await csrfToken() },
      body: JSON.stringify(data),
    });
    if (!response.ok) {
      throw new Error(`${path} was answered with ${response.status}.`);
    }
    return response;
  }

  // Returns the URL of a path of this origin; anything else leads to the start page.
  function pageUrl(path) {
    const url = new URL(path, self.location.origin);
    return url.origin === self.location.origin ? url.href : new URL("/", self.location.origin).href;
  }

  async function openPage(path) {
    const url = pageUrl(path);
    const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    const same = windows.find((client) => client.url === url);
    return same ? same.focus() : self.clients.openWindow(url);
  }

  return {
    keepCache: (name) => caches_.add(name),
    onSignOut: (clear) => clearing.push(clear),
    openPage,
    post,
  };
})();
