// A classic script, run before the page is painted: a theme that was chosen holds from the first frame on.
// Without a choice the page follows the system.
{
  const KEY = "semcache-theme";
  // Where a browser forbids storage, a choice holds until the page is left.
  const storage = (act) => {
    try {
      return act(localStorage);
    } catch {
      return null;
    }
  };
  const kept = storage((store) => store.getItem(KEY));
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
  const isDark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const tell = () => {
      button.setAttribute("aria-pressed", String(isDark()));
      dispatchEvent(new Event("themechange"));
    };
    button.addEventListener("click", () => {
      const next = isDark() ? "light" : "dark";
      document.documentElement.dataset.theme = next;
      storage((store) => store.setItem(KEY, next));
      tell();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
    tell();
  });
}
