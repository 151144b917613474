// Asks the service. Where it wants the admin key, the person is asked once, and the key kept until the tab is closed.

const KEY = "semcache-admin-key";

export class Refused extends Error {}

export async function ask(path, { method = "GET", body, namespace } = {}) {
  const headers = namespace ? { "x-semcache-namespace": namespace } : {};
  const key = sessionStorage.getItem(KEY);
  if (key) headers["x-semcache-admin-key"] = key;
  if (body !== undefined) headers["content-type"] = "application/json";
  const response = await fetch(`/semcache/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  const said = await response.json().catch(() => ({}));
  if (response.ok) return said;
  const message = said.error?.message ?? `the service answered ${response.status}`;
  if ((response.status === 401 || response.status === 403) && message.includes("admin-key")) {
    await askForKey();
    return ask(path, { method, body, namespace });
  }
  throw new Refused(message);
}

export async function readiness() {
  const response = await fetch("/readyz");
  return { ...(await response.json()), upstream: response.headers.get("x-semcache-upstream") };
}

export function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

let asking = null;

function askForKey() {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("key-dialog");
    const form = document.getElementById("key-form");
    form.reset();
    dialog.addEventListener("close", () => {
      const key = new FormData(form).get("key");
      if (key) sessionStorage.setItem(KEY, key);
      asking = null;
      resolve();
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}
