//! `authority`, `token` and `certificate`: who agents are.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::output::print;
use super::time::parse_duration;
use crate::clock::now_ms;
use crate::config::Config;
use crate::identity;
use crate::storage::Storage;

/// What to do with the authority that signs certificates of agents.
#[derive(Clone, Debug, Subcommand)]
pub enum AuthorityAction {
    /// Make an authority and a certificate for collectors: authority.pem and .key, collector.pem and .key.
    /// What is there is not written over.
    Create {
        /// Where the files go.
        #[arg(long, value_name = "DIRECTORY", default_value = ".")]
        directory: PathBuf,
        /// How agents reach collectors: a DNS name or an address. Can be repeated.
        #[arg(long, value_name = "NAME", required = true)]
        name: Vec<String>,
        /// How long the authority is good, days.
        #[arg(long, default_value_t = 3650)]
        days: u32,
        /// How long the certificate of collectors is good, days.
        #[arg(long, default_value_t = 365)]
        collector_days: u32,
    },
    /// Make another certificate for collectors by the authority in the directory. Collectors read it again
    /// within seconds.
    Issue {
        /// Where the authority's files are, and the new ones go.
        #[arg(long, value_name = "DIRECTORY", default_value = ".")]
        directory: PathBuf,
        /// How agents reach collectors: a DNS name or an address. Can be repeated.
        #[arg(long, value_name = "NAME", required = true)]
        name: Vec<String>,
        /// How long it is good, days.
        #[arg(long, default_value_t = 365)]
        days: u32,
    },
}

/// What to do with enrolment tokens: with one, an agent gets its first certificate.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenAction {
    /// Make a token and print it. It is shown this once; what is kept is its digest.
    Create(TokenArguments),
    /// Show the tokens that are good.
    List {
        /// Also those that are used, expired or revoked.
        #[arg(long)]
        all: bool,
        /// As JSON, one token a line.
        #[arg(long)]
        json: bool,
    },
    /// End tokens. Agents that used them keep their certificates.
    Revoke {
        /// Ids of tokens, as `token list` shows them.
        #[arg(required = true, value_name = "TOKEN")]
        tokens: Vec<String>,
    },
}

/// What a token is good for.
#[derive(Args, Clone, Debug)]
pub struct TokenArguments {
    /// Only this agent, which may be there already: then the new installation takes its place.
    #[arg(long, value_name = "AGENT", conflicts_with = "agents")]
    pub agent: Option<String>,
    /// How many agents may use it.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub agents: u32,
    /// What the hosts do that use it, such as database.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub role: String,
    /// What they fall with, such as a site or a zone.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub group: String,
    /// How long it is good, such as 1h or 7d; 90d at most.
    #[arg(long, value_parser = parse_duration, default_value = "24h", value_name = "TIME")]
    pub expires: Duration,
}

/// What to do with certificates of agents.
#[derive(Clone, Debug, Subcommand)]
pub enum CertificateAction {
    /// Refuse all certificates of agents, also those that are made later. Streams end within seconds.
    Revoke {
        /// Ids of agents.
        #[arg(required = true, value_name = "AGENT")]
        agents: Vec<String>,
        /// Why.
        #[arg(
            long,
            value_name = "TEXT",
            default_value = "",
            hide_default_value = true
        )]
        note: String,
    },
    /// Let agents back in, with certificates that are made from now on.
    Allow {
        /// Ids of agents.
        #[arg(required = true, value_name = "AGENT")]
        agents: Vec<String>,
    },
    /// Show the agents whose certificates are or were revoked.
    List,
}

pub(super) fn authority(action: &AuthorityAction) -> anyhow::Result<ExitCode> {
    let mut made = Vec::new();
    match action {
        AuthorityAction::Create {
            directory,
            name,
            days,
            collector_days,
        } => {
            made.extend(identity::create::authority(directory, *days)?);
            made.extend(identity::create::collector(
                directory,
                name,
                *collector_days,
            )?);
        }
        AuthorityAction::Issue {
            directory,
            name,
            days,
        } => made.extend(identity::create::collector(directory, name, *days)?),
    }
    let lines = made.iter().map(|path| format!("{}\n", path.display()));
    print(&lines.collect::<String>())
}

pub(super) async fn token(config: &Config, action: &TokenAction) -> anyhow::Result<ExitCode> {
    let storage = super::storage(config)?;
    let (user, now_ms) = (super::user(), now_ms());
    match action {
        TokenAction::List { all, json } => {
            print(&identity::show::tokens(&storage, (*all, *json), now_ms).await?)
        }
        TokenAction::Revoke { tokens } => {
            identity::tokens::revoke(&storage, tokens, (&user, now_ms)).await?;
            print(&format!("revoked: {}\n", tokens.join(", ")))
        }
        TokenAction::Create(arguments) => {
            create_token(config, &storage, arguments, (&user, now_ms)).await
        }
    }
}

async fn create_token(
    config: &Config,
    storage: &Storage,
    arguments: &TokenArguments,
    by: (&str, i64),
) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        config.ingest.authority.is_on(),
        "ingest.authority.certificate_file is empty: this collector signs no certificates; `crmscope-collector authority create` makes an authority"
    );
    let authority_sha256 = identity::pin(&config.ingest)?;
    let wish = identity::tokens::Wish {
        agent: arguments.agent.clone(),
        role: arguments.role.clone(),
        group: arguments.group.clone(),
        agents_max: arguments.agents,
        lifetime: arguments.expires,
        authority_sha256,
    };
    let token = identity::tokens::create(storage, &wish, by).await?;
    // The token alone is the output, so that it can go into a file.
    let mut told =
        "put it into the agent's identity.token_file; it is not shown again\n".to_owned();
    if authority_sha256.is_none() {
        told.push_str(
            "the collector's certificate comes without the one above it, so agents also need identity.authority_file, or one that their system trusts\n",
        );
    }
    let _ = std::io::stderr().write_all(told.as_bytes());
    print(&format!("{}\n", token.reveal()))
}

pub(super) async fn certificate(
    config: &Config,
    action: &CertificateAction,
) -> anyhow::Result<ExitCode> {
    let storage = super::storage(config)?;
    let (user, now_ms) = (super::user(), now_ms());
    let (agents, is_revoked, note) = match action {
        CertificateAction::List => return print(&identity::show::certificates(&storage).await?),
        CertificateAction::Revoke { agents, note } => (agents, true, note.as_str()),
        CertificateAction::Allow { agents } => (agents, false, ""),
    };
    let change = (is_revoked, note);
    identity::show::change_certificates(&storage, agents, change, (&user, now_ms)).await?;
    let what = match is_revoked {
        true => "are refused from now on",
        false => "are good that are made from now on",
    };
    print(&format!("certificates of {} {what}\n", agents.join(", ")))
}
