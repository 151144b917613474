// Asks the service. Where it wants the admin key, the person is asked once; the key is kept until the tab is closed,
// and travels in a header, never in an address.

import { byId } from "./dom.js";

const KEY = "semcache-admin-key";

// In memory only where the browser forbids even this.
let remembered = null;
const held = () => {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return remembered;
  }
};
const hold = (key) => {
  remembered = key;
  try {
    sessionStorage.setItem(KEY, key);
  } catch {
    // It is remembered.
  }
};

// The service said no, in words that may be shown.
export class Refused extends Error {}
// It wants the admin key, and nobody has given it.
export class Locked extends Refused {}
// Nobody answers.
export class Gone extends Error {}

export async function ask(path, { method = "GET", body, headers = {} } = {}) {
  const key = held();
  const response = await reach(`/semcache/v1${path}`, {
    method,
    headers: {
      ...headers,
      ...(key && { "x-semcache-admin-key": key }),
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    body: body && JSON.stringify(body),
  });
  if (response.ok) return response.json();
  const said = await response.json().catch(() => ({}));
  const message = said.error?.message ?? `The service answered ${response.status}.`;
  if (response.status !== 401) throw new Refused(message);
  // Another request may have brought the right key meanwhile.
  if (held() === key) await askForKey(key !== null);
  return ask(path, { method, body, headers });
}

export async function readiness() {
  const response = await reach("/readyz", {});
  return { ...(await response.json()), upstream: response.headers.get("x-semcache-upstream") };
}

export function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

async function reach(url, options) {
  const request = wired(url, options);
  try {
    return await fetch(request);
  } catch {
    throw new Gone("The service cannot be reached.");
  }
}

function wired(url, options) {
  try {
    return new Request(url, { credentials: "omit", redirect: "error", ...options });
  } catch {
    throw new Refused("A key or a namespace holds a character that cannot be sent in a header: use Latin ones.");
  }
}

let asking = null;
let isDeclined = false;

export function unlock() {
  isDeclined = false;
}

function askForKey(wasWrong) {
  if (isDeclined) return Promise.reject(new Locked("The admin key is needed."));
  asking ??= new Promise((resolve, reject) => {
    const [dialog, form] = [byId("key-dialog"), byId("key-form")];
    form.reset();
    byId("key-problem").textContent = wasWrong ? "That key was not accepted." : "";
    dialog.returnValue = "";
    dialog.addEventListener("close", () => {
      const key = String(new FormData(form).get("key"));
      form.reset();
      asking = null;
      isDeclined = dialog.returnValue !== "use";
      if (isDeclined) return reject(new Locked("The admin key is needed."));
      hold(key);
      return resolve();
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}
