// Makes the API documentation follow the system's dark mode, before the first paint and on change.
(() => {
  "use strict";

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", apply);
  apply();
})();
