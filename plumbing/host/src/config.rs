//! One TOML file, and the environment over it.
//!
//! The file is checked by itself first, so that an error can name its line; only then is the environment
//! laid over it. `STROWGER_SIP_T1_MS=50` sets `t1_ms` in `[sip]`; `STROWGER_DATA=/srv` a key above all tables.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

const PREFIX: &str = "STROWGER_";

/// What is wrong with a configuration, and where.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line of the file says something else than was expected.
    #[error("{}:{line}:{column}: {what}", file.display())]
    Line {
        /// Which file.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in bytes.
        column: usize,
        /// What was expected, what was found.
        what: String,
    },
    /// A variable of the environment does.
    #[error("{variable}: {what}")]
    Variable {
        /// Its name.
        variable: String,
        /// What was expected, what was found.
        what: String,
    },
}

/// Reads `file` (all defaults if none is named) and lays the variables that begin with `STROWGER_` over it.
pub fn load<C: DeserializeOwned>(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<C, ConfigError> {
    let mut table = match file {
        Some(file) => read::<C>(file)?,
        None => Table::new(),
    };
    let mut variables: Vec<_> =
        environment.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    variables.sort();
    for (variable, text) in variables {
        overlay(&mut table, &variable[PREFIX.len()..].to_ascii_lowercase(), &text);
        if let Err(error) = C::deserialize(table.clone()) {
            return Err(ConfigError::Variable { variable, what: error.to_string().trim().to_owned() });
        }
    }
    C::deserialize(table).map_err(|error| ConfigError::Variable {
        variable: file.map_or_else(|| "defaults".into(), |file| file.display().to_string()),
        what: error.to_string(),
    })
}

fn read<C: DeserializeOwned>(file: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| ConfigError::Unreadable { file: file.into(), source })?;
    let at_line = |error: toml::de::Error| {
        let offset = error.span().map_or(0, |span| span.start).min(text.len());
        let before = &text.as_bytes()[..offset];
        ConfigError::Line {
            file: file.into(),
            line: before.iter().filter(|&&byte| byte == b'\n').count() + 1,
            column: before.iter().rev().take_while(|&&byte| byte != b'\n').count() + 1,
            what: error.message().to_owned(),
        }
    };
    toml::from_str::<C>(&text).map_err(at_line)?;
    toml::from_str(&text).map_err(at_line)
}

/// A table's name may hold underscores, so the longest known table wins; else the first word names one.
fn overlay(table: &mut Table, path: &str, text: &str) {
    let value = literal(text);
    let Some((section, key)) = split(table, path) else {
        table.insert(path.to_owned(), value);
        return;
    };
    let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(inner) = inner {
        inner.insert(key, value);
    }
}

fn split(table: &Table, path: &str) -> Option<(String, String)> {
    let known = path.rmatch_indices('_').map(|(at, _)| path.split_at(at));
    let known = known.into_iter().find(|(section, _)| matches!(table.get(*section), Some(Value::Table(_))));
    let (section, key) = known.or_else(|| path.find('_').map(|at| path.split_at(at)))?;
    Some((section.to_owned(), key.trim_start_matches('_').to_owned()))
}

/// A number, truth or list if it reads as one, else the text as it is.
fn literal(text: &str) -> Value {
    let as_toml = toml::from_str::<Table>(&format!("value = {text}")).ok();
    as_toml.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::String(text.to_owned()))
}

impl ConfigError {
    /// Wraps what the parts of a configuration say about each other.
    pub fn contradiction(file: Option<&Path>, what: impl fmt::Display) -> Self {
        let name = file.map_or_else(|| "configuration".into(), |file| file.display().to_string());
        ConfigError::Variable { variable: name, what: what.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Whole {
        data: String,
        sip: Sip,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Sip {
        t1_ms: u64,
        listen: Vec<String>,
    }

    fn file(name: &str, text: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("strowger-config-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    }

    fn environment(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.into(), value.into()), ("HOME".into(), "/root".into())]
    }

    #[test]
    fn the_environment_lies_over_the_file() {
        let path = file("good", "data = \"here\"\n[sip]\nt1_ms = 500\n");
        let whole: Whole = load(Some(&path), environment("STROWGER_SIP_T1_MS", "50")).unwrap();
        assert_eq!((whole.data.as_str(), whole.sip.t1_ms), ("here", 50));
        let whole: Whole = load(None, environment("STROWGER_DATA", "/srv")).unwrap();
        assert_eq!(whole.data, "/srv");
        let whole: Whole = load(None, environment("STROWGER_SIP_LISTEN", "[\"udp:[::1]:5060\"]")).unwrap();
        assert_eq!(whole.sip.listen, ["udp:[::1]:5060"]);
    }

    #[test]
    fn an_error_names_file_line_and_what_was_expected() {
        let path = file("bad", "data = \"here\"\n[sip]\n# five hundred\nt1_ms = \"often\"\n");
        let error = load::<Whole>(Some(&path), []).unwrap_err().to_string();
        assert!(error.contains("bad.toml:4:9"), "{error}");
        assert!(error.contains("u64"), "{error}");
        let path = file("unknown", "[sip]\nt9_ms = 1\n");
        let error = load::<Whole>(Some(&path), []).unwrap_err().to_string();
        assert!(error.contains("unknown.toml:2:1") && error.contains("t1_ms"), "{error}");
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let error = load::<Whole>(None, environment("STROWGER_SIP_T1_MS", "soon")).unwrap_err().to_string();
        assert!(error.contains("STROWGER_SIP_T1_MS"), "{error}");
    }
}
