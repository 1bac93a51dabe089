//! The declared order: what the agent stops measuring, and what first.
//!
//! Owns the one table of subjects. It stands in the order in which they go; they come back in the
//! reverse. What is not in the table is never shed: request totals, security events, heartbeats
//! and records of what was dropped.

/// How a subject is shed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// Read once where it was read this many times.
    Rarer(u32),
    /// Not told apart or not read at all.
    Stopped,
}

macro_rules! subjects {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $means:expr, $text:literal;)+) => {
        /// What can be shed. The order of the variants is the declared order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Subject { $($(#[$doc])* $variant,)+ }

        impl Subject {
            /// Every subject, the first to go first.
            pub const ORDER: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name in tables and logs; never reused for another thing.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// How it is shed.
            #[must_use]
            pub const fn means(self) -> Means {
                match self { $(Self::$variant => $means,)+ }
            }

            /// What is missing while it is shed, for people.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

subjects! {
    /// Examples of requests.
    Exemplars = "exemplars", Means::Stopped, "examples of slow and failed requests";
    /// Networks of clients.
    Clients = "clients", Means::Stopped, "requests by network of the client";
    /// What is known of single processes, containers and units.
    Details = "details", Means::Stopped, "figures of single processes, containers and units";
    /// Details of devices and mounts.
    Devices = "devices", Means::Rarer(4), "figures of each disk, interface, file system and sensor: every 4th reading";
    /// Runs of probes.
    Probes = "probes", Means::Rarer(4), "probes of pages, ports and names: every 4th run";
    /// The host's figures. Details of its devices come with them, never oftener.
    Host = "host", Means::Rarer(10), "figures of the host: every 10th reading, those of disks and interfaces with them";
    /// Routes of requests.
    Routes = "routes", Means::Stopped, "a service's requests count under OTHER; totals stay exact";
}

/// What is shed at the moment, for those who measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Economy(u8);

impl Economy {
    /// These subjects are shed.
    #[must_use]
    pub fn of(subjects: &[Subject]) -> Self {
        Self(
            subjects
                .iter()
                .fold(0, |bits, &subject| bits | 1 << subject as u8),
        )
    }

    /// As one number, to be shared between threads.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// From [`Economy::bits`].
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Whether the subject is shed, by whatever means.
    #[must_use]
    pub const fn sheds(self, subject: Subject) -> bool {
        self.0 & 1 << subject as u8 != 0
    }

    /// Whether the subject is not to be measured at all.
    #[must_use]
    pub fn stops(self, subject: Subject) -> bool {
        self.sheds(subject) && subject.means() == Means::Stopped
    }

    /// Every which reading is made of the subject: 1 when it is not made rarer.
    #[must_use]
    pub const fn stretch(self, subject: Subject) -> u32 {
        match subject.means() {
            Means::Rarer(times) if self.sheds(subject) => times,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_fits_an_economy_and_names_are_unique() {
        assert!(Subject::ORDER.len() <= 8, "an economy has a bit for each");
        for (position, subject) in Subject::ORDER.iter().enumerate() {
            assert_eq!(*subject as usize, position);
            let mut others = Subject::ORDER[..position].iter();
            assert!(others.all(|other| other.name() != subject.name()));
            assert!(!matches!(subject.means(), Means::Rarer(0 | 1)));
        }
    }

    #[test]
    fn an_economy_knows_what_it_sheds() {
        let nothing = Economy::default();
        let some = Economy::of(&[Subject::Devices, Subject::Routes]);
        assert_eq!(Economy::from_bits(some.bits()), some);
        for (economy, subject, sheds, stops, stretch) in [
            (nothing, Subject::Devices, false, false, 1),
            (nothing, Subject::Routes, false, false, 1),
            (some, Subject::Devices, true, false, 4),
            (some, Subject::Host, false, false, 1),
            (some, Subject::Routes, true, true, 1),
        ] {
            assert_eq!(
                (
                    economy.sheds(subject),
                    economy.stops(subject),
                    economy.stretch(subject)
                ),
                (sheds, stops, stretch),
                "{subject:?} of {economy:?}"
            );
        }
    }
}
