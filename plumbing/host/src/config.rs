//! Configuration: one TOML file, then environment variables over it, into a typed value of the caller's.
//!
//! The file is checked by itself first, so that its errors can name the line. A variable is called
//! `STROWGER_SECTION_KEY` (or `STROWGER_KEY` outside any section); its value is read as TOML, and as a plain
//! string if that does not fit.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// What all variables start with.
const PREFIX: &str = "STROWGER_";

/// Where a configuration is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file, at a line and a column, both counted from 1.
    File {
        /// Which file.
        path: PathBuf,
        /// The line, if it can be told.
        line: Option<(usize, usize)>,
    },
    /// In a variable of the environment.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { path, line: Some((line, column)) } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Place::File { path, line: None } => write!(f, "{}", path.display()),
            Place::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ConfigError {
    /// Where.
    pub place: Place,
    /// What, and what was expected.
    pub problem: String,
}

/// Reads the file at `path` (none: all defaults), with `environment` over it.
pub fn load<T: DeserializeOwned>(
    path: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let Some(path) = path else {
        return read(Path::new("defaults"), "", environment);
    };
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
        place: Place::File { path: path.to_owned(), line: None },
        problem: format!("can't be read: {error}"),
    })?;
    read(path, &text, environment)
}

/// The same, of a text that was read from `path` already.
pub fn read<T: DeserializeOwned>(
    path: &Path,
    text: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let in_file = |error: &toml::de::Error| ConfigError {
        place: Place::File {
            path: path.to_owned(),
            line: error.span().map(|span| line_of(text, span.start)),
        },
        problem: error.message().trim().to_owned(),
    };
    let mut config: T = toml::from_str(text).map_err(|error| in_file(&error))?;
    let mut table: Table = toml::from_str(text).map_err(|error| in_file(&error))?;
    let mut variables: Vec<(String, String)> =
        environment.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    variables.sort();
    for (name, value) in variables {
        (table, config) = overlay(&table, &name, &value)?;
    }
    Ok(config)
}

/// Puts one variable over `table`.
fn overlay<T: DeserializeOwned>(table: &Table, name: &str, value: &str) -> Result<(Table, T), ConfigError> {
    let wrong = |problem: String| ConfigError { place: Place::Variable(name.to_owned()), problem };
    let path = name[PREFIX.len()..].to_ascii_lowercase();
    let attempt = |value: Value| {
        let table = with(table, &path, value);
        T::deserialize(table.clone()).map(|config| (table, config))
    };
    let as_text = || attempt(Value::String(value.to_owned()));
    match format!("value = {value}").parse::<Table>().ok().and_then(|mut parsed| parsed.remove("value")) {
        // What it looks like is what it should have been, if it fits in neither way.
        Some(parsed) => attempt(parsed).or_else(|error| as_text().map_err(|_| error)),
        None => as_text(),
    }
    .map_err(|error| wrong(error.message().trim().to_owned()))
}

/// `table` with the value at `section_key`, or at `key` if there is no section.
fn with(table: &Table, path: &str, value: Value) -> Table {
    let mut table = table.clone();
    match path.split_once('_') {
        Some((section, key)) => {
            let section = table.entry(section.to_owned()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(section) = section {
                section.insert(key.to_owned(), value);
            }
        }
        None => drop(table.insert(path.to_owned(), value)),
    }
    table
}

fn line_of(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

/// The line (from 1) on which `text` says something of `key`, such as `sip.t1_ms`.
pub fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let mut table = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            table = format!("{}.", name.trim_start_matches('['));
        } else if let Some((name, _)) = line.split_once('=')
            && format!("{table}{}", name.trim()) == key
        {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Config {
        data: String,
        sip: Sip,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Sip {
        listen: Vec<String>,
        t1_ms: u64,
        realm: String,
    }

    impl Default for Config {
        fn default() -> Self {
            Config { data: "./data".into(), sip: Sip::default() }
        }
    }

    impl Default for Sip {
        fn default() -> Self {
            Sip { listen: vec![], t1_ms: 500, realm: "strowger".into() }
        }
    }

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        read(Path::new("s.toml"), text, environment).map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_goes_over_the_file_and_the_file_over_the_defaults() {
        let text = "data = '/srv'\n[sip]\nt1_ms = 50\n";
        let environment = [
            ("STROWGER_SIP_T1_MS", "100"),
            ("STROWGER_SIP_LISTEN", "['udp:127.0.0.1:5060']"),
            ("STROWGER_SIP_REALM", "12345"),
            ("HOME", "/root"),
        ];
        let config = load(text, &environment).unwrap();
        assert_eq!((config.data.as_str(), config.sip.t1_ms), ("/srv", 100));
        assert_eq!((config.sip.realm.as_str(), config.sip.listen.len()), ("12345", 1));
        assert_eq!(load("", &[]).unwrap(), Config::default());
        assert_eq!(load("", &[("STROWGER_DATA", "/mnt/x y")]).unwrap().data, "/mnt/x y");
    }

    #[test]
    fn an_error_names_file_line_and_what_was_expected() {
        let unknown = load("[sip]\nt1_ms = 50\nt1 = 3\n", &[]).unwrap_err();
        assert_eq!(unknown, "s.toml:3:1: unknown field `t1`, expected one of `listen`, `t1_ms`, `realm`");
        let wrong = load("[sip]\n\n  t1_ms = 'soon'\n", &[]).unwrap_err();
        assert_eq!(wrong, "s.toml:3:11: invalid type: string \"soon\", expected u64");
        let syntax = load("data = \n", &[]).unwrap_err();
        assert!(syntax.starts_with("s.toml:1:"), "{syntax}");
    }

    #[test]
    fn a_wrong_variable_is_named_even_if_the_file_is_right() {
        let unknown = load("", &[("STROWGER_SIP_T9", "1")]).unwrap_err();
        let expected = "environment variable STROWGER_SIP_T9: unknown field `t9`, expected one of";
        assert!(unknown.starts_with(expected), "{unknown}");
        let wrong = load("[sip]\nt1_ms = 50\n", &[("STROWGER_SIP_T1_MS", "-5")]).unwrap_err();
        let expected = "environment variable STROWGER_SIP_T1_MS: invalid value: integer `-5`, expected u64";
        assert_eq!(wrong, expected);
        let nowhere = load("", &[("STROWGER_SPI_T1_MS", "5")]).unwrap_err();
        assert!(nowhere.contains("STROWGER_SPI_T1_MS: unknown field `spi`"), "{nowhere}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = super::load::<Config>(Some(Path::new("/nonexistent/s.toml")), []).unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/s.toml: can't be read: "), "{error}");
    }
}
