// Makes the page move: reads it again and carries over what changed, puts times into the reader's
// zone. Without this script everything still works; it decides nothing and keeps nothing.
"use strict";

const thisYear = (at) => at.getFullYear() === new Date().getFullYear();
const zone = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };

function localTimes(root) {
  for (const time of root.querySelectorAll("time[data-zone]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    if (time.dataset.zone === "title") time.title = at.toLocaleString();
    else time.textContent = at.toLocaleString(undefined, thisYear(at) ? zone : { ...zone, year: "numeric" });
  }
}

// Carry `fresh` over into `old`, touching only what differs, so that focus, selection and the
// reader's place stay as they are.
function carry(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeName === "FORM" && old.contains(document.activeElement)) return;
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
    old.replaceWith(fresh.cloneNode(true));
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const [have, want] = [[...old.childNodes], [...fresh.childNodes]];
  want.forEach((child, at) => (at < have.length ? carry(have[at], child) : old.append(child.cloneNode(true))));
  have.slice(want.length).forEach((child) => child.remove());
}

function live(main) {
  const pause = Number(main.dataset.live) * 1000;
  const offline = document.getElementById("offline");
  let failures = 0;
  let timer = 0;

  async function look() {
    timer = 0;
    if (document.hidden) return;
    try {
      const reply = await fetch(location.href, { cache: "no-store", headers: { "X-Live": "1" } });
      // Signed out, or the view is gone: show what the server says about it.
      if (reply.status >= 400 && reply.status < 500) return location.reload();
      if (!reply.ok) throw new Error(`status ${reply.status}`);
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      const fresh = page.getElementById("main");
      // A form in use stays as it is. Around the one that narrows the list everything goes on;
      // what stands around any other belongs to it.
      const used = document.activeElement?.closest("form");
      if (fresh && (!main.contains(used ?? null) || used.matches(".filters"))) {
        localTimes(fresh);
        carry(main, fresh);
      }
      failures = 0;
    } catch {
      failures += 1;
    }
    offline.hidden = failures < 2;
    again();
  }

  function again() {
    if (!timer) timer = setTimeout(look, pause * Math.min(2 ** failures, 16));
  }

  document.addEventListener("visibilitychange", () => { if (!document.hidden && !timer) look(); });
  again();
}

// One box that ticks all others of its form.
function tickAll(box) {
  const others = box.form.querySelectorAll(`input[type="checkbox"][name="${box.dataset.all}"]`);
  box.closest("label").hidden = false;
  box.addEventListener("change", () => others.forEach((other) => { other.checked = box.checked; }));
}

localTimes(document);
document.querySelectorAll("main[data-live]").forEach(live);
document.querySelectorAll("input[data-all]").forEach(tickAll);
