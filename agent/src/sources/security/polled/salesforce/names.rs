//! Names of users by their ids, as the org told them. Pure.
//!
//! Logins have a user's name, exports have only the id; findings about a user need one word for both.
//! Names are remembered in memory alone, up to [`NAMES_MAX`]: where there is no room for more, all are
//! forgotten and asked for again.

use std::collections::{BTreeMap, BTreeSet};

/// Most ids that are remembered.
const NAMES_MAX: usize = 4096;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Nothing of those whom the org does not show.
    names: BTreeMap<String, Option<String>>,
}

impl Names {
    /// Ids that have to be asked for; makes room for them. No more than [`NAMES_MAX`] may be given at once.
    pub(super) fn missing<'a>(&mut self, ids: impl Iterator<Item = &'a str>) -> Vec<String> {
        let ids: BTreeSet<&str> = ids.collect();
        let unknown = |names: &BTreeMap<String, _>| {
            let ids = ids.iter().filter(|id| !names.contains_key(**id));
            ids.map(|id| (*id).to_owned()).collect::<Vec<_>>()
        };
        let missing = unknown(&self.names);
        if self.names.len() + missing.len() <= NAMES_MAX {
            return missing;
        }
        self.names.clear();
        unknown(&self.names)
    }

    /// Remembers what was told of ids that were asked for.
    pub(super) fn learn(&mut self, asked: &[String], told: Vec<(String, String)>) {
        let mut told: BTreeMap<String, String> = told.into_iter().collect();
        for id in asked {
            self.names.insert(id.clone(), told.remove(id));
        }
    }

    /// The name of a user.
    pub(super) fn of(&self, id: &str) -> Option<&str> {
        self.names.get(id)?.as_deref()
    }

    /// Names change: forgets all.
    pub(super) fn forget(&mut self) {
        self.names.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_id_is_asked_for_once_as_long_as_there_is_room() {
        let mut names = Names::default();
        let missing = names.missing(["b", "a", "b"].into_iter());
        assert_eq!(missing, ["a", "b"]);
        let told = vec![
            ("a".to_owned(), "ada".to_owned()),
            ("x".to_owned(), "nobody asked".to_owned()),
        ];
        names.learn(&missing, told);
        assert_eq!((names.of("a"), names.of("b")), (Some("ada"), None));
        assert_eq!(names.of("x"), None);
        assert!(names.missing(["b", "a"].into_iter()).is_empty());
        let many: Vec<String> = (0..NAMES_MAX).map(|number| number.to_string()).collect();
        let missing = names.missing(many.iter().map(String::as_str));
        assert_eq!(missing.len(), NAMES_MAX);
        names.learn(&missing, Vec::new());
        assert_eq!(names.names.len(), NAMES_MAX);
        // What is at hand is asked for with the rest, where all had to be forgotten.
        assert_eq!(names.missing(["0", "a"].into_iter()), ["0", "a"]);
    }
}
