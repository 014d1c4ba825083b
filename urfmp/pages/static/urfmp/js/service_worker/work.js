// Work without a connection: the pages of tasks that were opened can be opened again. Entries are
// kept and sent by the pages themselves.
(() => {
  "use strict";

  const CACHE = "urfmp-work-1";
  const PAGES = /^\/admin\/(my-work|maintenance\/tasks\/[0-9a-f-]{36}\/work)\/$/;
  const FILES = /^\/static\//;
  const MAX_STORED = 300;

  self.urfmpWorker.keepCache(CACHE);

  async function keep(request, response) {
    const cache = await caches.open(CACHE);
    await cache.put(request, response);
    const stored = await cache.keys();
    await Promise.all(stored.slice(0, Math.max(0, stored.length - MAX_STORED)).map((key) => cache.delete(key)));
  }

  // The answer of the server, or the stored page if there is no connection. A page that a script
  // asks for is stored, too, and never replaced by a stored one.
  async function page(event) {
    const { request } = event;
    try {
      const response = await fetch(request);
      if (response.ok && response.type === "basic" && !response.redirected) {
        event.waitUntil(keep(request.url, response.clone()).catch(() => undefined));
      }
      return response;
    } catch (error) {
      const stored = request.mode === "navigate" && await caches.match(request.url);
      if (stored) {
        return stored;
      }
      throw error;
    }
  }

  // Names of files change with their content.
  async function file(event) {
    const stored = await caches.match(event.request.url);
    if (stored) {
      return stored;
    }
    const response = await fetch(event.request);
    if (response.ok && response.type === "basic") {
      event.waitUntil(keep(event.request.url, response.clone()).catch(() => undefined));
    }
    return response;
  }

  self.addEventListener("fetch", (event) => {
    const url = new URL(event.request.url);
    if (event.request.method !== "GET" || url.origin !== self.location.origin) {
      return;
    }
    if (PAGES.test(url.pathname)) {
      event.respondWith(page(event));
    } else if (FILES.test(url.pathname)) {
      event.respondWith(file(event));
    }
  });
})();
