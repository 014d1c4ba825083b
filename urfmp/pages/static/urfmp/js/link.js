// The code of a one-time link stands behind the `#`, which no server sees. Put it into the form.
(() => {
  "use strict";

  const field = document.querySelector("[data-link-code]");
  const input = field?.querySelector("input");
  const code = location.hash.slice(1);
  if (!input || !code) return;
  input.value = code;
  field.hidden = true;
  document.querySelector('input[type="password"]')?.focus();
  // Out of the address, so that it is not copied or kept along with it.
  history.replaceState(null, "", location.pathname);
})();
