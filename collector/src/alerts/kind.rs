//! What can be wrong, and how urgent it is.
//!
//! A kind is a line here. Its name stands in tables, labels and documents and is never changed.

/// How urgent an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// To be looked at in working hours.
    Warning,
    /// Somebody is to be woken.
    Critical,
}

impl Severity {
    /// As labels and documents have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $severity:ident;)+) => {
        /// What is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $kind,)+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// As tables, labels and documents have it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }

            /// How urgent it is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$kind => Severity::$severity,)+
                }
            }
        }
    };
}

kinds! {
    /// A host that was heard is not heard any more.
    HostSilent = "host_silent", Critical;
    /// So many hosts fell silent at once that what they share is to be suspected.
    ManySilent = "many_silent", Critical;
    /// A host that is expected was never heard.
    HostMissing = "host_missing", Warning;
    /// An agent or its host was stopped in good order, and is not back.
    Stopped = "stopped", Warning;
    /// A host comes and goes.
    Flapping = "flapping", Warning;
    /// An objective's error budget is used up within days.
    BudgetBurnsFast = "budget_burns_fast", Critical;
    /// An objective's error budget is used up before its time.
    BudgetBurnsSlowly = "budget_burns_slowly", Warning;
    /// A service has too few requests to say anything of its objective.
    LowTraffic = "low_traffic", Warning;
    /// A service has no requests.
    NoTraffic = "no_traffic", Critical;
    /// Too little time is known of a service to say anything of its objective.
    LittleKnown = "little_known", Warning;
    /// Nothing is known of a service that is to be probed.
    NotProbed = "not_probed", Critical;
    /// Security events show an attack, or what may be one; how urgent it is says its level.
    SecurityFinding = "security_finding", Critical;
}
