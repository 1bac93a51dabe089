//! The statements of the migrations, as a cluster of one shard takes them. Pure.
//!
//! Owns what is different there: `Replicated…` engines, the number of blocks that such a table
//! remembers, and which statements have to reach every replica (`ON CLUSTER`). Goes by words, never by
//! search and replace in the text, so comments and everything else stay as they are. Promises: a
//! statement of a form that is not known here is refused, as it might run on one replica only.

use super::Cluster;
use crate::schema::DATABASE;
use crate::schema::words::{Kind, Word, words};

/// Where a table's replicas meet in Keeper. By name and not by `{uuid}` (the server's default), so that
/// what `SHOW CREATE TABLE` says on one replica makes the same table on another that comes later.
pub(in crate::schema) const KEEPER_PATH: &str =
    "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'";

/// How long a replicated table remembers a block, seconds: for as long as a collector may be down and
/// then repeat its last block. On a busy table the number of blocks is what bounds it, as without replicas.
pub(in crate::schema) const WINDOW_SECONDS: u32 = 30 * 86_400;

/// Engines that have a replicated form that is known to be exact.
const ENGINES: [&str; 3] = ["MergeTree", "ReplacingMergeTree", "AggregatingMergeTree"];

/// Changes of a table that Keeper takes to every replica.
const REPLICATED_CHANGES: [&str; 4] = [
    "ADD COLUMN IF NOT EXISTS",
    "ADD INDEX IF NOT EXISTS",
    "MODIFY COLUMN",
    "MODIFY TTL",
];

/// The statement for a cluster.
///
/// # Errors
/// Why there is none.
pub(in crate::schema) fn rewrite(statement: &str, cluster: &Cluster) -> Result<String, String> {
    let words = words(statement);
    let mut rewriting = Rewriting {
        words: &words,
        next: 0,
        edits: Vec::new(),
        on_cluster: cluster.clause(),
    };
    rewriting.statement()?;
    Ok(rewriting.applied(statement))
}

/// What takes the place of a range of the text.
struct Edit {
    from: usize,
    to: usize,
    text: String,
}

struct Rewriting<'a> {
    words: &'a [Word<'a>],
    next: usize,
    /// In the order of the text.
    edits: Vec<Edit>,
    on_cluster: String,
}

impl<'a> Rewriting<'a> {
    fn statement(&mut self) -> Result<(), String> {
        if self.take("CREATE DATABASE IF NOT EXISTS") {
            self.database()
        } else if self.take("CREATE FUNCTION IF NOT EXISTS") {
            let function = self.name("a function's name")?;
            self.on_cluster_after(function.end());
            self.keyword("AS")
        } else if self.take("CREATE TABLE IF NOT EXISTS") {
            self.table()
        } else if self.take("CREATE MATERIALIZED VIEW IF NOT EXISTS") {
            let end = self.table_name()?;
            self.on_cluster_after(end);
            self.keyword("TO")?;
            self.table_name()?;
            self.keyword("AS")
        } else if self.take("CREATE OR REPLACE VIEW") {
            let end = self.table_name()?;
            self.on_cluster_after(end);
            self.keyword("AS")
        } else if self.take("ALTER TABLE") {
            self.change()
        } else if self.take("INSERT INTO") {
            // One replica takes the rows to the others.
            self.table_name().map(|_| ())
        } else {
            let first: Vec<&str> = self.words.iter().take(4).map(|word| word.text).collect();
            Err(format!("nothing is known of {:?}", first.join(" ")))
        }
    }

    fn database(&mut self) -> Result<(), String> {
        let name = self.name("the database's name")?;
        if name.text != DATABASE {
            return Err(format!("database {:?} is not {DATABASE}", name.text));
        }
        self.on_cluster_after(name.end());
        self.keyword("ENGINE")?;
        self.sign("=")?;
        self.keyword("Atomic")
    }

    fn table(&mut self) -> Result<(), String> {
        let end = self.table_name()?;
        self.on_cluster_after(end);
        if self.take("AS") {
            self.table_name()?;
        } else {
            self.parenthesised()?;
        }
        self.keyword("ENGINE")?;
        self.sign("=")?;
        let engine = self.name("an engine")?;
        if !ENGINES.contains(&engine.text) {
            return Err(format!(
                "engine {:?} is none of {}",
                engine.text,
                ENGINES.join(", ")
            ));
        }
        self.edit(engine.at, engine.at, "Replicated");
        match self.peek().filter(|word| word.is_sign("(")) {
            None => self.edit(engine.end(), engine.end(), format!("({KEEPER_PATH})")),
            Some(bracket) => {
                let inner = bracket.end();
                let closed = self.words.get(self.next + 1);
                let comma = if closed.is_some_and(|word| word.is_sign(")")) {
                    ""
                } else {
                    ", "
                };
                self.edit(inner, inner, format!("{KEEPER_PATH}{comma}"));
                self.parenthesised()?;
            }
        }
        self.window()
    }

    /// The number of blocks that the table remembers.
    fn window(&mut self) -> Result<(), String> {
        const PLAIN: &str = "non_replicated_deduplication_window";
        let places: Vec<usize> = (self.next..self.words.len())
            .filter(|place| self.words[*place].is(PLAIN))
            .collect();
        let [place] = places[..] else {
            return Err(format!(
                "the table sets {PLAIN} {} times; exactness rests on it, once",
                places.len()
            ));
        };
        let setting = self.words[place];
        self.next = place + 1;
        self.sign("=")?;
        let value = self.name("a number of blocks")?;
        if value.text.parse::<u64>().is_err() {
            return Err(format!("{PLAIN} is {:?}, not a number", value.text));
        }
        self.edit(setting.at, setting.end(), "replicated_deduplication_window");
        self.edit(
            value.end(),
            value.end(),
            format!(", replicated_deduplication_window_seconds = {WINDOW_SECONDS}"),
        );
        Ok(())
    }

    fn change(&mut self) -> Result<(), String> {
        let end = self.table_name()?;
        if self.take("MODIFY QUERY") {
            // Keeper knows nothing of views: each replica has its own.
            self.on_cluster_after(end);
            return Ok(());
        }
        loop {
            if !REPLICATED_CHANGES.iter().any(|change| self.take(change)) {
                let words = self.words[self.next..].iter().take(3);
                let words: Vec<&str> = words.map(|word| word.text).collect();
                return Err(format!(
                    "nothing is known of the change {:?}",
                    words.join(" ")
                ));
            }
            if !self.past_comma()? {
                return Ok(());
            }
        }
    }

    /// Goes behind the next comma that is in no bracket; false where there is none.
    fn past_comma(&mut self) -> Result<bool, String> {
        while let Some(word) = self.peek() {
            if word.is_sign("(") {
                self.parenthesised()?;
                continue;
            }
            self.next += 1;
            if word.is_sign(",") {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Goes behind what is in brackets.
    fn parenthesised(&mut self) -> Result<(), String> {
        self.sign("(")?;
        let mut depth = 1;
        while depth > 0 {
            let word = self.peek().ok_or("a bracket does not end")?;
            self.next += 1;
            if word.is_sign("(") {
                depth += 1;
            } else if word.is_sign(")") {
                depth -= 1;
            }
        }
        Ok(())
    }

    /// Goes behind `crmscope.<name>`; returns where that ends.
    fn table_name(&mut self) -> Result<usize, String> {
        let database = self.name("a table's database")?;
        if database.text != DATABASE {
            return Err(format!("{:?} is not {DATABASE}.<table>", database.text));
        }
        self.sign(".")?;
        self.name("a table").map(|table| table.end())
    }

    fn peek(&self) -> Option<Word<'a>> {
        self.words.get(self.next).copied()
    }

    /// Goes behind these keywords, if they are next.
    fn take(&mut self, keywords: &str) -> bool {
        let mut next = self.next;
        for keyword in keywords.split(' ') {
            match self.words.get(next) {
                Some(word) if word.is(keyword) => next += 1,
                _ => return false,
            }
        }
        self.next = next;
        true
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), String> {
        match self.take(keyword) {
            true => Ok(()),
            false => Err(self.instead(keyword)),
        }
    }

    fn sign(&mut self, sign: &str) -> Result<(), String> {
        if !self.peek().is_some_and(|word| word.is_sign(sign)) {
            return Err(self.instead(sign));
        }
        self.next += 1;
        Ok(())
    }

    fn name(&mut self, what: &str) -> Result<Word<'a>, String> {
        let word = self.peek().filter(|word| word.kind == Kind::Name);
        let word = word.ok_or_else(|| self.instead(what))?;
        self.next += 1;
        Ok(word)
    }

    fn instead(&self, wanted: &str) -> String {
        let found = self.peek().map_or("its end", |word| word.text);
        format!("{found:?} stands where {wanted} is understood")
    }

    fn on_cluster_after(&mut self, end: usize) {
        let clause = self.on_cluster.clone();
        self.edit(end, end, clause);
    }

    fn edit(&mut self, from: usize, to: usize, text: impl Into<String>) {
        let text = text.into();
        self.edits.push(Edit { from, to, text });
    }

    fn applied(self, statement: &str) -> String {
        let mut text = String::with_capacity(statement.len() + 256);
        let mut done = 0;
        for edit in self.edits {
            text.push_str(&statement[done..edit.from]);
            text.push_str(&edit.text);
            done = edit.to;
        }
        text.push_str(&statement[done..]);
        text
    }
}
