//! The page without scripts, `/plain`: server-rendered, colours by the reader's choice of light or dark.
//!
//! Every state is a word as well as a colour. Text from agents passes [`escape`].

use std::fmt::Write as _;

use super::Config;
use super::plain::Host;

pub(super) const STYLE: &str = include_str!("style.css");

/// Text as it may stand in an element or a quoted attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Neither can be seen, and some reorder what stands around them.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{fffd}'),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

fn frame(config: &Config, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <meta http-equiv=\"refresh\" content=\"{}\">\
         <title>crmscope</title><link rel=\"stylesheet\" href=\"/style.css\"></head>\
         <body><header><h1>crmscope</h1></header><main>{body}</main></body></html>\n",
        config.refresh_seconds
    )
}

/// The page when ClickHouse does not answer.
pub(super) fn unavailable(config: &Config, error: &str) -> String {
    frame(
        config,
        &format!(
            "<p class=\"bad\"><strong>ClickHouse does not answer</strong>, so nothing is known \
             about any host at the moment. What agents send waits in the collector and in their \
             spools; nothing is lost by this.</p><pre>{}</pre>",
            escape(error)
        ),
    )
}

/// The page of all hosts.
pub(super) fn hosts(config: &Config, hosts: &[Host], command: &str) -> String {
    if hosts.is_empty() {
        return frame(
            config,
            &format!(
                "<p>No agent has connected yet. On the host to watch, run:</p><pre>{}</pre>\
                 <p>It shows here within seconds.</p>",
                escape(command)
            ),
        );
    }
    let mut body = String::new();
    let states: Vec<State> = hosts.iter().map(|host| state(config, host)).collect();
    let up = states.iter().filter(|state| state.class == "good").count();
    let _ = write!(
        body,
        "<p>{} of {} hosts report. Rates are of the last {}.</p><div class=\"scroll\"><table><thead><tr>\
         <th>Host</th><th>State</th><th>Data age</th><th>CPU</th><th>Memory</th><th>Requests/s</th>\
         <th>Errors</th><th>p95</th><th>Failed logins</th><th>Dropped</th></tr></thead><tbody>",
        up,
        hosts.len(),
        age(f64::from(config.window_seconds)),
    );
    for (host, state) in hosts.iter().zip(&states) {
        row(&mut body, host, state);
    }
    body.push_str("</tbody></table></div>");
    frame(config, &body)
}

struct State {
    class: &'static str,
    text: String,
}

/// What can be said of a host. Silence is never good.
fn state(config: &Config, host: &Host) -> State {
    let limit = f64::from(config.stale_after_seconds);
    let (class, text) = match (host.heartbeat_age_seconds, host.data_age_seconds) {
        (None, _) => ("unknown", "no heartbeat yet".to_owned()),
        (Some(beat), _) if beat > limit => ("bad", format!("silent for {}", age(beat))),
        (Some(_), None) => ("warn", "beats, but no data yet".to_owned()),
        (Some(_), Some(data)) if data > limit => {
            ("warn", format!("beats, data is {} old", age(data)))
        }
        (Some(_), Some(_)) => ("good", "reports".to_owned()),
    };
    State { class, text }
}

fn row(body: &mut String, host: &Host, state: &State) {
    let known = |value: Option<String>| value.unwrap_or_else(|| "unknown".to_owned());
    let percent = |ratio: Option<f64>| known(ratio.map(|ratio| format!("{:.1} %", ratio * 100.0)));
    let name = match host.hostname.as_str() {
        "" => String::new(),
        same if same == host.agent_id => String::new(),
        hostname => format!(" <small>{}</small>", escape(hostname)),
    };
    let none = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    let cells = [
        known(host.data_age_seconds.map(age)),
        percent(host.cpu_busy_ratio),
        percent(host.memory_used_ratio),
        none(host.requests_per_second.map(|rate| format!("{rate:.1}"))),
        none(
            host.error_ratio
                .map(|ratio| format!("{:.2} %", ratio * 100.0)),
        ),
        none(host.latency_p95_us.map(duration)),
        known(host.failed_logins.map(|count| count.to_string())),
        known(host.dropped_items.map(|count| count.to_string())),
    ];
    let _ = write!(
        body,
        "<tr><th scope=\"row\">{}{name}</th><td><span class=\"{}\">{}</span></td>",
        escape(&host.agent_id),
        state.class,
        escape(&state.text)
    );
    for cell in cells {
        let _ = write!(body, "<td>{}</td>", escape(&cell));
    }
    body.push_str("</tr>");
}

fn age(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

fn duration(us: f64) -> String {
    match us {
        us if us < 1000.0 => format!("{us:.0} µs"),
        us if us < 1_000_000.0 => format!("{:.1} ms", us / 1000.0),
        us => format!("{:.2} s", us / 1_000_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host {
            agent_id: "crm-web-01".to_owned(),
            heartbeat_age_seconds: Some(3.0),
            data_age_seconds: Some(2.0),
            cpu_busy_ratio: Some(0.25),
            ..Host::default()
        }
    }

    #[test]
    fn text_from_agents_is_data() {
        let hostile = Host {
            hostname: "<script>alert('x')</script>&\"\u{202e}\u{7}".to_owned(),
            ..host()
        };
        let page = hosts(&Config::default(), &[hostile], "");
        assert!(!page.contains("<script"));
        assert!(page.contains(
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;\u{fffd}\u{fffd}"
        ));
        let page = unavailable(&Config::default(), "<b>");
        assert!(page.contains("<pre>&lt;b&gt;</pre>"));
    }

    #[test]
    fn silence_is_never_good() {
        let config = Config::default();
        let with = |beat, data| {
            let host = Host {
                heartbeat_age_seconds: beat,
                data_age_seconds: data,
                ..host()
            };
            let State { class, text } = state(&config, &host);
            (class, text)
        };
        assert_eq!(with(Some(3.0), Some(2.0)).0, "good");
        assert_eq!(with(None, Some(2.0)).0, "unknown");
        assert_eq!(
            with(Some(31.0), Some(2.0)),
            ("bad", "silent for 31 s".to_owned())
        );
        assert_eq!(with(Some(3.0), None).0, "warn");
        assert_eq!(
            with(Some(3.0), Some(300.0)),
            ("warn", "beats, data is 5 min old".to_owned())
        );
        let page = hosts(&config, &[host()], "");
        assert!(page.contains("25.0 %") && page.contains("unknown") && page.contains("none"));
    }

    #[test]
    fn an_empty_page_shows_how_to_add_an_agent() {
        let page = hosts(
            &Config::default(),
            &[],
            "TOKEN=/run/<token> crmscope-agent run",
        );
        assert!(page.contains("crmscope-agent run") && page.contains("/run/&lt;token&gt;"));
    }
}
