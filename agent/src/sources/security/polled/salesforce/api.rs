//! What is asked of an org: tokens, lists of event log files, and files.
//!
//! Owns the token, which stays in memory and gets into no error. Leaves what answers say to
//! [`super::answers`].

use serde::Deserialize;
use tokio::time::timeout;

use super::super::connect::quoted;
use super::super::engine::PollError;
use super::super::http::{Answer, Ask, Place, Site, encoded};
use super::super::secret;
use super::super::sql::written;
use super::answers::{
    Fault, LogFile, Subject, judge, read_page, read_refusal, read_users, refused_token,
};
use super::config::Org;
use super::record::EventType;

/// Bytes of an answer in JSON: a page of files has some 700 KiB.
const JSON_MAX_BYTES: usize = 8 * 1024 * 1024;

/// Bytes of an answer that refuses.
const REFUSAL_MAX_BYTES: usize = 64 * 1024;

/// Pages of one list.
const PAGES_MAX: usize = 100;

/// Files of one list: the oldest. What is behind them is for the next poll.
const FILES_MAX: usize = 16_384;

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

/// The way to an org.
pub(super) struct Api {
    site: Site,
    token: Option<String>,
}

impl Api {
    pub(super) fn new(org: &Org) -> Self {
        // The config was validated.
        let place = Place::parse("instance_url", &org.instance_url);
        let place = place.expect("the config was validated");
        Self {
            site: Site::new(place, org.server_ca_file.clone()),
            token: None,
        }
    }

    /// Files that were made from a moment on, in the order in which they were made: the oldest, where
    /// there are more than [`FILES_MAX`].
    pub(super) async fn list(&mut self, org: &Org, from_ms: i64) -> Result<Vec<LogFile>, Fault> {
        let types: Vec<&str> = org.event_types.iter().map(|of| of.word()).collect();
        let query = format!(
            "SELECT Id, EventType, LogDate, CreatedDate FROM EventLogFile \
             WHERE Interval = '{}' AND EventType IN ('{}') AND CreatedDate >= {} ORDER BY CreatedDate, Id",
            org.files.word(),
            types.join("', '"),
            moment(from_ms)
        );
        let mut path = Some(format!(
            "/services/data/{}/query?q={}",
            org.api_version,
            encoded(&query)
        ));
        let mut files = Vec::new();
        for _ in 0..PAGES_MAX {
            let Some(asked) = path.take() else {
                break;
            };
            let page = self.json(org, &asked, Subject::List).await?;
            let (listed, next) = read_page(&page, &org.event_types)?;
            files.extend(listed);
            // They come in order.
            if files.len() >= FILES_MAX {
                files.truncate(FILES_MAX);
                break;
            }
            path = next;
        }
        if files.is_empty() && path.is_some() {
            let error = "the org lists pages without end and without files";
            return Err(Fault::from(error.to_owned()));
        }
        files.sort_by(|left: &LogFile, right| {
            (left.created_ms, &left.id).cmp(&(right.created_ms, &right.id))
        });
        Ok(files)
    }

    /// Whether there are files of the other interval.
    pub(super) async fn has_others(&mut self, org: &Org, from_ms: i64) -> Result<bool, Fault> {
        let query = format!(
            "SELECT Id, EventType, LogDate, CreatedDate FROM EventLogFile WHERE Interval = '{}' AND EventType = '{}' AND CreatedDate >= {} LIMIT 1",
            org.files.other().word(),
            EventType::Login.word(),
            moment(from_ms)
        );
        let path = format!(
            "/services/data/{}/query?q={}",
            org.api_version,
            encoded(&query)
        );
        let page = self.json(org, &path, Subject::List).await?;
        Ok(!read_page(&page, &[EventType::Login])?.0.is_empty())
    }

    /// Names of users by their ids ([`user_id`]), [`USERS_MAX`] of them at most. Of whom the org does not
    /// tell, there is none.
    pub(super) async fn user_names(
        &mut self,
        org: &Org,
        ids: &[String],
    ) -> Result<Vec<(String, String)>, Fault> {
        let query = format!(
            "SELECT Id, Username FROM User WHERE Id IN ('{}')",
            ids.join("','")
        );
        let path = format!(
            "/services/data/{}/query?q={}",
            org.api_version,
            encoded(&query)
        );
        let body = self.json(org, &path, Subject::Users).await?;
        read_users(&body).map_err(Fault::File)
    }

    /// The body of a file.
    pub(super) async fn file(&mut self, org: &Org, id: &str) -> Result<Answer, Fault> {
        let path = format!(
            "/services/data/{}/sobjects/EventLogFile/{id}/LogFile",
            org.api_version
        );
        let answer = self.get(org, &path, Subject::File).await?;
        // What pages of proxies and errors have. Of files it is not documented.
        if ["text/html", "application/json", "application/xml"].contains(&&*answer.content_type) {
            return Err(Fault::File(format!(
                "it comes as {}, which is no CSV; see whether something stands between the agent and the org",
                quoted(&answer.content_type)
            )));
        }
        Ok(answer)
    }

    async fn json(&mut self, org: &Org, path: &str, of: Subject) -> Result<Vec<u8>, Fault> {
        let answer = self.get(org, path, of).await?;
        if answer.content_type != "application/json" {
            return Err(Fault::from(format!(
                "the org answers with {}, which is no JSON; see instance_url, and whether something stands in between",
                quoted(&answer.content_type)
            )));
        }
        let body = timeout(org.deadline(), answer.whole(JSON_MAX_BYTES)).await;
        Ok(body.unwrap_or_else(|_| Err(late(org)))?)
    }

    /// A good answer; with a new token where the old one is not taken any more.
    async fn get(&mut self, org: &Org, path: &str, of: Subject) -> Result<Answer, Fault> {
        let accept = match of {
            Subject::File => "text/csv",
            Subject::List | Subject::Users => "application/json",
        };
        let had = self.token.is_some();
        if !had {
            self.token = Some(self.fetch_token(org).await?);
        }
        let mut answer = self.ask(org, path, accept).await?;
        if answer.status == 401 && had {
            self.token = Some(self.fetch_token(org).await?);
            answer = self.ask(org, path, accept).await?;
        }
        if answer.status == 200 {
            return Ok(answer);
        }
        let (status, retry_after) = (answer.status, answer.retry_after);
        if status == 401 {
            self.token = None;
        }
        let body = timeout(org.deadline(), answer.whole(REFUSAL_MAX_BYTES)).await;
        let refusal = read_refusal(&body.ok().and_then(Result::ok).unwrap_or_default());
        Err(judge(status, &refusal, retry_after, of))
    }

    async fn ask(&mut self, org: &Org, path: &str, accept: &'static str) -> Result<Answer, Fault> {
        let ask = Ask {
            path,
            bearer: self.token.as_deref(),
            form: None,
            accept,
        };
        let answer = timeout(org.deadline(), self.site.ask(ask)).await;
        Ok(answer.unwrap_or_else(|_| Err(late(org)))?)
    }

    /// By the client credentials flow.
    async fn fetch_token(&mut self, org: &Org) -> Result<String, Fault> {
        let file = org.client_id_file.as_deref();
        let id = secret::of("client_id", file, org.client_id_variable.as_deref())?;
        let file = org.client_secret_file.as_deref();
        let variable = org.client_secret_variable.as_deref();
        let secret = secret::of("client_secret", file, variable)?;
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            encoded(&id),
            encoded(&secret)
        );
        let ask = Ask {
            path: "/services/oauth2/token",
            bearer: None,
            form: Some(form),
            accept: "application/json",
        };
        let answer = timeout(org.deadline(), self.site.whole(ask, REFUSAL_MAX_BYTES)).await;
        let answer = answer.unwrap_or_else(|_| Err(late(org)))?;
        if answer.status == 200
            && let Ok(token) = serde_json::from_slice::<Token>(&answer.body)
            && (1..=4096).contains(&token.access_token.len())
            && token
                .access_token
                .bytes()
                .all(|byte| byte.is_ascii_graphic())
        {
            return Ok(token.access_token);
        }
        Err(Fault::Org(PollError {
            message: refused_token(answer.status, &read_refusal(&answer.body)),
            retry_after: answer.retry_after,
        }))
    }
}

fn late(org: &Org) -> String {
    format!(
        "no answer from the org within {} ms; see the network, or raise deadline_ms",
        org.deadline_ms
    )
}

/// As a literal of SOQL.
fn moment(ms: i64) -> String {
    let text = written(ms.saturating_mul(1000));
    format!("{}T{}Z", &text[..10], &text[11..23])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_literals() {
        assert_eq!(moment(1_795_599_336_001), "2026-11-25T09:35:36.001Z");
        assert_eq!(moment(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(moment(i64::MAX).len(), 24);
    }
}
