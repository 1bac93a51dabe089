// Updates without reload: every 5 s while the range ends now and somebody looks, ever less often while the
// collector does not answer, and never two at once.

const EVERY_MS = 5000;
const LONGEST_MS = 60000;

/** How long to wait after so many failures in a row. Pure. */
export const waitMs = (failures) => Math.min(LONGEST_MS, EVERY_MS * 2 ** Math.min(failures, 10));

/**
 * Calls `refresh(signal)`, which resolves to `{ failed, why, asked }`, and tells `changed` how that went. `isLive` says whether
 * to go on by itself.
 */
export class Live {
  constructor(refresh, isLive, changed) {
    this.refresh = refresh;
    this.isLive = isLive;
    this.changed = changed;
    this.failures = 0;
    this.updatedMs = null;
    this.why = "";
    this.timer = null;
    this.running = null;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.pause() : this.running || this.now()));
    addEventListener("online", () => this.now());
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = null;
    this.changed(this);
  }

  /** Asks at once; what is under way is given up, as it may be about something else. */
  async now(force = false) {
    clearTimeout(this.timer);
    this.running?.abort();
    const run = new AbortController();
    this.running = run;
    let told;
    try {
      told = await this.refresh(run.signal, force);
    } catch (error) {
      told = { failed: true, why: error.message };
    }
    if (run.signal.aborted) return;
    this.running = null;
    // A turn in which nothing was due proves nothing.
    if (told.failed || told.asked) this.failures = told.failed ? this.failures + 1 : 0;
    if (told.failed || told.asked) this.why = told.why ?? "";
    if (told.asked && !told.failed) this.updatedMs = Date.now();
    const goesOn = !document.hidden && (this.isLive() || told.failed);
    if (goesOn) this.timer = setTimeout(() => this.now(), waitMs(this.failures));
    this.changed(this);
  }

  /** Another page: nothing of it was asked yet. */
  reset() {
    this.updatedMs = null;
    this.failures = 0;
  }
}
