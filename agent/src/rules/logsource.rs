//! Which rules are for which events.
//!
//! Pure. A rule names a product, a service and a category, or some of these; it is for an event that
//! has each one it names.

use rsigma_parser::LogSource;

/// Where an event comes from, as far as rules tell it apart. Each has an engine of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// sshd, sudo, su, PAM and programs for accounts, from the journal or authentication logs.
    Auth,
    /// auditd, or the kernel's records in the journal.
    Audit,
    /// Logs of applications.
    Application,
    /// Access logs.
    Web,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Auth, Self::Audit, Self::Application, Self::Web];

    /// Name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "linux/auth",
            Self::Audit => "linux/auditd",
            Self::Application => "application",
            Self::Web => "webserver",
        }
    }
}

/// An event's log source.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Its class.
    pub class: Class,
    /// The program, the configured service of the application's log, or the format of the access log.
    pub product: &'a str,
    /// What the event itself says.
    pub service: &'a str,
}

/// Services whose events are in authentication logs.
const AUTH_SERVICES: [&str; 3] = ["auth", "authpriv", "syslog"];

/// Product of every event, whatever its class: for rules that only ask for our own names.
const OWN_PRODUCT: &str = "crmscope";

/// Whether a rule is for an event.
pub(super) fn fits(rule: &LogSource, event: &Origin<'_>) -> bool {
    let product = named(rule.product.as_deref());
    let product = product.filter(|product| !product.eq_ignore_ascii_case(OWN_PRODUCT));
    let service = named(rule.service.as_deref());
    let category = named(rule.category.as_deref());
    let is = |wanted: Option<&str>, values: &[&str]| {
        wanted.is_none_or(|wanted| {
            let equal = |value: &&str| value.eq_ignore_ascii_case(wanted);
            values.iter().any(equal)
        })
    };
    let own = [event.product, event.service];
    match event.class {
        Class::Auth => {
            let [a, b, c] = AUTH_SERVICES;
            is(product, &["linux"])
                && is(service, &[own[0], own[1], a, b, c])
                && is(category, &["authentication"])
        }
        Class::Audit => {
            is(product, &["linux"]) && is(service, &["auditd"]) && is(category, &["auditd"])
        }
        Class::Application => {
            is(product, &own) && is(service, &own) && is(category, &["application"])
        }
        Class::Web => is(product, &own) && is(service, &own) && is(category, &["webserver"]),
    }
}

/// Whether a rule can be for any event of a class, with these applications and formats of access logs.
pub(super) fn can_fit(rule: &LogSource, class: Class, products: &[String]) -> bool {
    let wants = |field: Option<&str>| named(field).map(str::to_owned);
    let origin = |product, service| Origin {
        class,
        product,
        service,
    };
    // Programs are not listed here: a rule's own words stand for them, and are compared once more
    // when there is an event.
    let service = wants(rule.service.as_deref()).unwrap_or_default();
    match class {
        Class::Auth => service != "auditd" && fits(rule, &origin(&service, &service)),
        Class::Audit => fits(rule, &origin("", "")),
        Class::Application | Class::Web => {
            let product = wants(rule.product.as_deref()).unwrap_or_default();
            let known = |name: &str| {
                name.is_empty()
                    || name.eq_ignore_ascii_case(OWN_PRODUCT)
                    || products.iter().any(|one| one.eq_ignore_ascii_case(name))
            };
            let by_log = known(&product) && (class == Class::Application || known(&service));
            by_log && fits(rule, &origin(&product, &service))
        }
    }
}

fn named(field: Option<&str>) -> Option<&str> {
    field.filter(|text| !text.is_empty())
}
