//! Settings on their way to one agent.
//!
//! Owns which version the agent has by its own word. Promises that they are sent where it has another one,
//! in the form that it knows.

use std::sync::Arc;

use crmscope_proto::v1::collector_message::Kind;
use crmscope_proto::v1::{Config, Hello};

use crate::delivery::settings::Offer;

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SettingsFeed {
    /// Its own configuration refuses all.
    Refuses,
    /// It knows of overlays, and this came last.
    Overlays(u64),
    /// It knows of three intervals, which these are.
    Intervals(Config),
}

impl SettingsFeed {
    /// Of an agent that said hello.
    pub(super) fn new(hello: &Hello) -> Self {
        match hello.settings_version {
            _ if hello.refuses_settings => Self::Refuses,
            Some(version) => Self::Overlays(version),
            None => Self::Intervals(Config::default()),
        }
    }

    /// What it is to be sent, now that this is offered to it.
    pub(super) fn news(&mut self, offer: Option<&Arc<Offer>>) -> Option<Kind> {
        let offer = offer?;
        match self {
            Self::Refuses => None,
            Self::Overlays(version) if *version == offer.message.version => None,
            Self::Overlays(version) => {
                *version = offer.message.version;
                Some(Kind::Settings(offer.message.clone()))
            }
            Self::Intervals(sent) => {
                // Where none of the three is said, only what was said before is taken back.
                let is_same = Config {
                    version: sent.version,
                    ..offer.intervals
                } == *sent;
                if is_same {
                    return None;
                }
                *sent = offer.intervals;
                Some(Kind::Config(offer.intervals))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crmscope_proto::v1::Settings;

    use super::*;

    fn offer(version: u64, batch_interval_ms: u32) -> Arc<Offer> {
        Arc::new(Offer {
            message: Settings {
                version,
                overlay: Vec::new(),
            },
            intervals: Config {
                version,
                batch_interval_ms,
                ..Config::default()
            },
            ..Offer::default()
        })
    }

    #[test]
    fn settings_are_sent_where_the_agent_has_others() {
        let mut feed = SettingsFeed::new(&Hello {
            settings_version: Some(1),
            ..Hello::default()
        });
        assert_eq!(feed.news(None), None);
        assert_eq!(feed.news(Some(&offer(1, 5))), None);
        let news = feed.news(Some(&offer(2, 5)));
        assert!(matches!(news, Some(Kind::Settings(sent)) if sent.version == 2));
        assert_eq!(feed.news(Some(&offer(2, 5))), None);
        let news = feed.news(Some(&offer(0, 0)));
        assert!(matches!(news, Some(Kind::Settings(sent)) if sent.version == 0));
    }

    #[test]
    fn agents_of_before_are_sent_intervals_and_who_refuses_nothing() {
        let mut feed = SettingsFeed::new(&Hello::default());
        assert_eq!(feed.news(Some(&offer(1, 0))), None, "none of the three");
        let news = feed.news(Some(&offer(2, 500)));
        assert!(matches!(news, Some(Kind::Config(sent)) if sent.batch_interval_ms == 500));
        assert_eq!(feed.news(Some(&offer(3, 500))), None);
        let news = feed.news(Some(&offer(4, 0)));
        assert!(matches!(news, Some(Kind::Config(sent)) if sent.batch_interval_ms == 0));
        let mut feed = SettingsFeed::new(&Hello {
            refuses_settings: true,
            ..Hello::default()
        });
        assert_eq!(feed.news(Some(&offer(5, 500))), None);
    }
}
