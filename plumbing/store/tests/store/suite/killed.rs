//! A process that is killed while it writes.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use strowger_store::{Page, RecordFilter};

use super::fresh;
use super::records::record;
use crate::fresh::open;

const ADDRESS: &str = "STORE_TEST_ADDRESS";
const BATCH: u64 = 20;

#[tokio::test]
async fn what_was_said_to_be_kept_survives_a_kill_and_no_batch_is_kept_in_part() {
    let store = fresh().await;
    let (_, here) = concat!(module_path!(), "::writing_process").split_once("::").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", here, "--nocapture"])
        .env(ADDRESS, store.address())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = 0;
    for line in lines.map_while(Result::ok) {
        if let Some(batch) = line.strip_prefix("kept ") {
            said = batch.parse().unwrap();
        }
        if said == 25 {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();

    let (mut page, mut ids) = (Page { after: None, limit: 1_000 }, Vec::new());
    loop {
        let part = store.records().page(&RecordFilter::default(), &page).await.unwrap();
        ids.extend(part.items.iter().map(|record| record.id.0));
        page.after = part.next;
        if page.after.is_none() {
            break;
        }
    }
    ids.sort_unstable();
    assert!(ids.len() as u64 >= said * BATCH, "{} records, {said} batches were said to be kept", ids.len());
    assert_eq!(ids.len() as u64 % BATCH, 0, "whole batches only");
    assert_eq!(ids, (0..ids.len() as u64).collect::<Vec<_>>());
}

/// Not a test: the process that the test above kills.
#[tokio::test]
async fn writing_process() {
    let Ok(address) = std::env::var(ADDRESS) else { return };
    let store = open(&address).await;
    for batch in 0.. {
        let records: Vec<_> = (batch * BATCH..(batch + 1) * BATCH).map(|id| record(id, 1, id)).collect();
        store.records().keep(&records).await.unwrap();
        println!("kept {}", batch + 1);
    }
}
