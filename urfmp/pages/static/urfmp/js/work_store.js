// What a technician has entered and the server has not: kept in the browser until it is sent. A
// sign-out deletes drafts. Entries stay until their user signs in again: they are not lost.
window.urfmpWorkStore = (() => {
  "use strict";

  const DATABASE = "urfmp-work";
  const VERSION = 1;
  let opened;

  function database() {
    opened ||= new Promise((resolve, reject) => {
      const request = indexedDB.open(DATABASE, VERSION);
      request.onupgradeneeded = () => {
        request.result.createObjectStore("entries", { keyPath: "number", autoIncrement: true });
        request.result.createObjectStore("drafts");
      };
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    return opened;
  }

  // Resolves when the transaction is on disk, not when its request has succeeded.
  async function run(store, mode, act) {
    const transaction = (await database()).transaction(store, mode);
    const request = act(transaction.objectStore(store));
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = () => reject(transaction.error);
      transaction.onabort = () => reject(transaction.error);
    });
  }

  // On a shared phone, entries are sent by the user who made them only.
  async function entries(user) {
    const all = await run("entries", "readonly", (store) => store.getAll());
    return all.filter((entry) => entry.user === user);
  }

  return {
    entries,
    add: (entry) => run("entries", "readwrite", (store) => store.add(entry)),
    put: (entry) => run("entries", "readwrite", (store) => store.put(entry)),
    remove: (number) => run("entries", "readwrite", (store) => store.delete(number)),
    draft: (key) => run("drafts", "readonly", (store) => store.get(key)),
    keepDraft: (key, values) => run("drafts", "readwrite", (store) => store.put(values, key)),
    dropDrafts: () => run("drafts", "readwrite", (store) => store.clear()),
    dropDraft: (key) => run("drafts", "readwrite", (store) => store.delete(key)),
  };
})();
