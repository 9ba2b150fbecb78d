//! What the command line says to who asks for what can't be.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use strowger_tests::strowger;

struct Folder(PathBuf);

impl Folder {
    fn with_config(name: &str, config: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("strowger-cli-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder of the test's own");
        fs::write(folder.join("strowger.toml"), config).expect("the configuration");
        Folder(folder)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(strowger());
        command.current_dir(&self.0).env_clear().args(arguments);
        command.output().expect("it runs")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn refused(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "it was not refused: {text}");
    text
}

#[test]
fn a_host_that_is_alone_runs_all_roles_and_it_says_why() {
    let folder = Folder::with_config("roles", "");
    for roles in ["edge", "exchange,apps", "edge,exchange,media,apps,billing"] {
        let text = refused(&folder.run(&["serve", "--roles", roles]));
        assert!(text.contains("cluster.roles") && text.contains("[cluster]"), "{text}");
    }
    let text = refused(&folder.run(&["serve", "--roles", "edge,exchnage"]));
    assert!(text.contains("expected some of edge, exchange, media"), "{text}");
    assert!(!folder.0.join("data").exists(), "who is refused leaves nothing behind");
}

#[test]
fn what_is_wrong_in_the_configuration_is_said_with_file_and_line() {
    let folder = Folder::with_config("wrong", "[sip]\nt1_ms = 100\nlisten = [\"sctp:127.0.0.1:5060\"]\n");
    let text = refused(&folder.run(&["check-config"]));
    assert!(text.contains("strowger.toml:3") && text.contains("expected udp:ADDRESS:PORT"), "{text}");
    let folder = Folder::with_config("unknown", "[call]\nring_secondss = 3\n");
    let text = refused(&folder.run(&["check-config"]));
    assert!(text.contains("strowger.toml:2") && text.contains("ring_seconds"), "{text}");
}

#[test]
fn what_can_not_be_together_is_said_with_file_and_line_too() {
    let lines = "[media]\nlegs = 10\nfirst_port = 4001\n[sip]\nt1_ms = 0\n";
    let text = refused(&Folder::with_config("contradictions", lines).run(&["check-config"]));
    assert!(text.contains("strowger.toml:3: media.first_port: expected an even port"), "{text}");
    assert!(text.contains("strowger.toml:5: sip.t1_ms: expected at least 1"), "{text}");
}

#[test]
fn with_nothing_to_do_it_says_in_five_lines_what_there_is() {
    let folder = Folder::with_config("nothing", "");
    let output = folder.run(&[]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 5);
}

#[test]
fn a_plan_shows_each_figure_with_its_sum_and_refuses_nonsense() {
    let folder = Folder::with_config("plan", "");
    let output = folder.run(&["plan", "--subscribers", "8000000", "--busy-hour-calls", "9000000"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for figure in
        ["17 cell(s), of which 1 may be away", "Erlang B:", "Erlang C:", "REGISTER/s", "Gbit/s", "spare"]
    {
        assert!(text.contains(figure), "no {figure} in\n{text}");
    }
    let output = folder.run(&["plan", "--subscribers", "1000", "--json"]);
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(plan["plan"]["cells"], 1);
    let text = refused(&folder.run(&["plan", "--subscribers", "1000", "--usage", "1.5"]));
    assert!(text.contains("the usage of hosts must be more than 0 and less than 1, not 1.5"), "{text}");
}
