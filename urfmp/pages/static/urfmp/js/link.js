// Moves the token of a one-time link into the form. It follows the `#`, so it never reaches a server.
(() => {
  "use strict";

  const field = document.querySelector("[data-link-code]");
  const input = field?.querySelector("input");
  const token = location.hash.slice(1);
  if (!input || !token) return;
  input.value = token;
  field.hidden = true;
  document.querySelector('input[type="password"]')?.focus();
  // Removes the token from the URL, so that it is not copied or stored in the history.
  history.replaceState(null, "", location.pathname);
})();
