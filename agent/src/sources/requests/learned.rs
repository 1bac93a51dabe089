//! The routes of one service: those that are configured, and those learned from its requests.
//!
//! Owns the bounded table of routes and what is known of the words in them. Routes are first come,
//! first served: once a service has its most, new ones count as `OTHER`. Routes seen only with
//! answers that mean "no such thing" may fill a quarter of the table, so that a scanner cannot push
//! out the routes of the application.
//!
//! **Slugs.** Names of articles, customers and files are words no pattern tells from the words of
//! the application; but there is no end of them. So the different words below each parent route are
//! counted, and once there are `slug_after` of them, one not seen before becomes `{slug}`. Only
//! requests that were answered with something make a word count.
//!
//! Within a batch a route never changes its name. When counters are handed over, words below a
//! parent that has slugs, and in a full table all routes, are forgotten if not seen for an hour.
//! Nothing is kept over a restart: words are learned anew, so the first `slug_after` of them may
//! differ then.

use std::collections::HashMap;

use super::route::{INVALID, OTHER, SLUG, is_placeholder};

/// How long a route is remembered that may be forgotten.
const ROUTE_MEMORY_MS: i64 = 3_600_000;

/// Time between looks for routes to forget.
const FORGET_INTERVAL_MS: i64 = 60_000;

/// Part of the table open to routes that were only ever answered with "no such thing".
const UNPROVEN_PART: usize = 4;

/// Number of what is beyond a bound.
pub(super) const ROUTE_OTHER: u32 = 0;

/// Number of what is no request.
pub(super) const ROUTE_INVALID: u32 = 1;

/// Timed requests of a route before its running percentile means something.
const WARM: u32 = 200;

/// No route is called slow below this, µs: the slowest hundredth of a fast one is still fast.
const SLOW_FLOOR_US: f32 = 20_000.0;

/// What a table may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Learned routes.
    pub(super) routes: usize,
    /// Words below one parent before the next one becomes `{slug}`.
    pub(super) slug_after: usize,
}

#[derive(Debug)]
struct Route {
    seen_ms: i64,
    proven: bool,
    configured: bool,
    timed: u32,
    p99_us: f32,
}

/// What is known of a path that routes begin with.
#[derive(Debug, Default)]
struct Parent {
    /// Different words directly below it.
    words: usize,
    /// Whether a route with `{slug}` below it is known.
    slugs: bool,
}

/// The routes of one service.
#[derive(Debug)]
pub(super) struct Routes {
    bounds: Bounds,
    numbers: HashMap<Box<str>, u32>,
    routes: Vec<Route>,
    learned: usize,
    unproven: usize,
    /// By path. A word is known when its own path is here.
    parents: HashMap<Box<str>, Parent>,
    /// Name of a new route; scratch space.
    resolved: String,
    forget_after_ms: i64,
}

impl Routes {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            numbers: HashMap::new(),
            routes: Vec::new(),
            learned: 0,
            unproven: 0,
            parents: HashMap::new(),
            resolved: String::new(),
            forget_after_ms: i64::MIN,
        }
    }

    /// Number of a configured route, which lives until the next [`Routes::forget`]. There is always
    /// room: the configuration bounds them.
    pub(super) fn configured(&mut self, name: &str, now_ms: i64) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            self.route_mut(number).seen_ms = now_ms;
            return number;
        }
        self.push(name, true, true, now_ms)
    }

    /// Number of the route of a template, which lives until the next [`Routes::forget`].
    pub(super) fn learned(&mut self, template: &str, status: u16, now_ms: i64) -> u32 {
        let proven = !matches!(status, 400 | 404 | 405 | 410 | 414 | 421 | 444);
        if let Some(&number) = self.numbers.get(template) {
            self.touch(number, template, proven, now_ms);
            return number;
        }
        let mut resolved = std::mem::take(&mut self.resolved);
        self.resolve(template, &mut resolved);
        let number = if let Some(&number) = self.numbers.get(resolved.as_str()) {
            self.touch(number, &resolved, proven, now_ms);
            number
        } else if self.learned >= self.bounds.routes || (!proven && self.scanned()) {
            ROUTE_OTHER
        } else {
            if proven {
                self.learn(&resolved, self.bounds.slug_after);
            }
            self.push(&resolved, proven, false, now_ms)
        };
        self.resolved = resolved;
        number
    }

    /// What may be told of a path that has no route: words that are not known become `{slug}`.
    pub(super) fn disguise(&self, template: &str) -> String {
        let mut out = String::new();
        self.rewrite(template, &mut out, |_| true);
        out
    }

    /// Notes how long a request took. Whether it is slow for its route: above the running 99th
    /// percentile.
    pub(super) fn is_slow(&mut self, number: u32, latency_us: u64) -> bool {
        self.routes
            .get_mut((number as usize).wrapping_sub(2))
            .is_some_and(|route| route.observe(latency_us))
    }

    /// Route names by number.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names = vec![OTHER; self.routes.len() + 2];
        names[ROUTE_INVALID as usize] = INVALID;
        for (template, &number) in &self.numbers {
            names[number as usize] = template;
        }
        names
    }

    /// How many names are held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.numbers.len() + self.parents.len()
    }

    fn scanned(&self) -> bool {
        self.unproven >= self.bounds.routes.div_ceil(UNPROVEN_PART)
    }

    fn route_mut(&mut self, number: u32) -> &mut Route {
        &mut self.routes[number as usize - 2]
    }

    fn touch(&mut self, number: u32, name: &str, proven: bool, now_ms: i64) {
        let route = self.route_mut(number);
        route.seen_ms = now_ms;
        if proven && !route.proven {
            route.proven = true;
            self.unproven -= 1;
            self.learn(name, self.bounds.slug_after);
        }
    }

    fn push(&mut self, name: &str, proven: bool, configured: bool, now_ms: i64) -> u32 {
        let number = u32::try_from(self.routes.len() + 2).unwrap_or(ROUTE_OTHER);
        self.numbers.insert(name.into(), number);
        self.routes.push(Route {
            seen_ms: now_ms,
            proven,
            configured,
            timed: 0,
            p99_us: 0.0,
        });
        self.learned += usize::from(!configured);
        self.unproven += usize::from(!proven);
        number
    }

    /// Writes the name of a template's route: words that are too many become `{slug}`.
    fn resolve(&self, template: &str, out: &mut String) {
        let most = self.bounds.slug_after;
        self.rewrite(template, out, |parent| {
            parent.is_some_and(|parent| parent.slugs || parent.words >= most)
        });
    }

    /// Copies a template, and replaces each unknown word for whose parent `replaced` holds.
    fn rewrite(
        &self,
        template: &str,
        out: &mut String,
        replaced: impl Fn(Option<&Parent>) -> bool,
    ) {
        out.clear();
        let Some(path) = template.strip_prefix('/') else {
            out.push_str(template);
            return;
        };
        for segment in path.split('/') {
            let parent = out.len();
            out.push('/');
            out.push_str(segment);
            if is_word(segment)
                && !self.parents.contains_key(out.as_str())
                && replaced(self.parents.get(&out[..parent]))
            {
                out.truncate(parent + 1);
                out.push_str(SLUG);
            }
        }
    }

    /// Counts the words of a route. Beyond `most` below one parent, words are not known.
    fn learn(&mut self, name: &str, most: usize) {
        let Some(path) = name.strip_prefix('/') else {
            return;
        };
        let mut end = 0;
        for segment in path.split('/') {
            let parent = &name[..end];
            end += 1 + segment.len();
            let (word, known) = (is_word(segment), self.parents.contains_key(&name[..end]));
            if !self.parents.contains_key(parent) {
                self.parents.insert(parent.into(), Parent::default());
            }
            if let Some(parent) = self.parents.get_mut(parent) {
                parent.slugs |= segment == SLUG;
                if word && !known {
                    if parent.words >= most {
                        return;
                    }
                    parent.words += 1;
                }
            }
            if !known {
                self.parents.insert(name[..end].into(), Parent::default());
            }
        }
    }

    /// Makes room, when nothing is held by number: numbers change.
    pub(super) fn forget(&mut self, now_ms: i64) {
        if now_ms < self.forget_after_ms {
            return;
        }
        self.forget_after_ms = now_ms.saturating_add(FORGET_INTERVAL_MS);
        let full = self.learned >= self.bounds.routes || self.scanned();
        let old = |route: &Route| now_ms.saturating_sub(route.seen_ms) > ROUTE_MEMORY_MS;
        let slugs = self.parents.values().any(|parent| parent.slugs);
        if !(full || slugs) || !self.routes.iter().any(old) {
            return;
        }
        let (routes, parents) = (&mut self.routes, &self.parents);
        let mut kept = Vec::new();
        self.numbers.retain(|name, number| {
            let route = &routes[*number as usize - 2];
            if old(route) && (full || below_slugs(name, parents)) {
                return false;
            }
            kept.push(Route { ..*route });
            *number = u32::try_from(kept.len() + 1).unwrap_or(ROUTE_OTHER);
            true
        });
        self.learned = kept.iter().filter(|route| !route.configured).count();
        self.unproven = kept.iter().filter(|route| !route.proven).count();
        self.routes = kept;
        self.parents = HashMap::new();
        let numbers = std::mem::take(&mut self.numbers);
        for (name, &number) in &numbers {
            let route = &self.routes[number as usize - 2];
            if route.proven && !route.configured {
                self.learn(name, usize::MAX);
            }
        }
        self.numbers = numbers;
    }
}

impl Route {
    /// Moves the running percentile, by stochastic approximation (Robbins and Monro, 1951): it
    /// rises by 5 % of 0.99 where a latency is above it and falls by 5 % of 0.01 where it is not,
    /// so that it rests where one in a hundred is above.
    fn observe(&mut self, latency_us: u64) -> bool {
        const GAIN: f32 = 0.05;
        #[allow(clippy::cast_precision_loss, reason = "an estimate")]
        let latency_us = latency_us as f32;
        if self.timed == 0 {
            self.p99_us = latency_us.max(1.0);
        }
        let above = latency_us > self.p99_us;
        let slow = above && self.timed >= WARM && latency_us >= SLOW_FLOOR_US;
        self.timed = self.timed.saturating_add(1);
        self.p99_us *= if above {
            1.0 + GAIN * 0.99
        } else {
            1.0 - GAIN * 0.01
        };
        self.p99_us = self.p99_us.max(1.0);
        slow
    }
}

/// Whether a segment is text of a path, not a placeholder, the end's `/` or the cut's `…`.
fn is_word(segment: &str) -> bool {
    !segment.is_empty() && segment != "…" && !is_placeholder(segment)
}

/// Whether a word of the route stands below a parent that has slugs.
fn below_slugs(name: &str, parents: &HashMap<Box<str>, Parent>) -> bool {
    let Some(path) = name.strip_prefix('/') else {
        return false;
    };
    let mut end = 0;
    path.split('/').any(|segment| {
        let parent = &name[..end];
        end += 1 + segment.len();
        is_word(segment) && parents.get(parent).is_some_and(|parent| parent.slugs)
    })
}
