/*
 * advolink for web pages: keeps which short links brought somebody here, and reports what they did. docs/conversions.md
 * tells web developers how to use it, and tools/build-track-js makes track.min.js of it, which GET /v1/track.js serves.
 *
 * It is a function. The redirector adds with what it is called: the name under which an address carries a click id, and
 * for how many milliseconds a touch may earn. Names stay as they are written here, so they are short: all of it has 2 KB.
 *
 * It keeps, in the page's own storage, the latest click ids with the instant of each, and reports that the browser has
 * not taken yet. Of the person it keeps nothing. It never throws into the page.
 */
(function (name, earns_ms) {
  "use strict";
  const KEY = "advolink";
  const MOST = 20; // touches, and reports that wait
  const script = document.currentScript;
  if (!script || !script.src) return; // not as a tag of its own: nobody knows where to report to
  const beacon = new URL("beacon", script.src).href;
  const landed = new URLSearchParams(location.search).get(name);
  let kept = { touches: [], reports: [] };

  // true: yes. false: no, and what was kept is forgotten. Anything else: nobody has said yet.
  function allowed() {
    const hook = window.advolinkConsent;
    if (navigator.globalPrivacyControl) return false;
    return typeof hook == "function" ? hook() : hook === undefined || hook;
  }

  function read() {
    try {
      const { touches, reports } = JSON.parse(localStorage[KEY]);
      kept = { touches: touches.filter(([id, at]) => id && Date.now() - at < earns_ms), reports: [...reports] };
    } catch (_) {} // nothing there, spoilt, or no storage: then this page's memory has to do
  }

  function write() {
    try {
      localStorage[KEY] = JSON.stringify(kept);
    } catch (_) {}
  }

  function forget() {
    kept = { touches: [], reports: [] };
    try {
      localStorage.removeItem(KEY);
    } catch (_) {}
  }

  // What a browser takes it sends, even while the page goes away; what it does not take waits for the next page.
  function taken(report) {
    try {
      return navigator.onLine && navigator.sendBeacon(beacon, JSON.stringify(report));
    } catch (_) {
      return false; // a browser without beacons
    }
  }

  // From reading to writing nothing else runs in this page. Of two tabs in the very same moment one may write last.
  function step(conversion) {
    const may = allowed();
    if (may === false) forget();
    if (may !== true) return false;
    read();
    const { touches, reports } = kept;
    if (/^[\w-]{40}$/.test(landed) && !touches.some(([id]) => id == landed)) touches.push([landed, Date.now()]);
    touches.splice(0, touches.length - MOST);
    const click_ids = touches.map(([id]) => id);
    const earned = !!conversion && click_ids.length > 0;
    if (earned) reports.push({ ...conversion, click_ids });
    kept.reports = reports.slice(-MOST).filter((report) => !taken(report));
    write();
    return earned;
  }

  function go(conversion) {
    try {
      return step(conversion);
    } catch (_) {
      return false; // a hook of the page's that throws
    }
  }

  window.advolink = {
    // Report a conversion. Whether there was anything to report: consent, and a touch that may have earned it.
    convert: (conversion) => go(conversion),
    // Look at the consent again.
    consented: () => go(),
  };
  addEventListener("online", () => go());
  go();
})
