use contract::media::LegQuality;
use contract::record::{CallRecord, Outcome};
use contract::{CallId, Money, TenantId};
use machine::Moment;
use strowger_store::{Page, RecordFilter};

use super::fresh;

pub(crate) fn record(id: u64, tenant: u32, started: u64) -> CallRecord {
    let euros = |micros| Some(Money { micros, currency: "EUR".into() });
    CallRecord {
        id: CallId(id),
        tenant: TenantId(tenant),
        sip_call_id: format!("{id}@phone"),
        caller: "1001".into(),
        dialed: "1002".into(),
        callee: "1002".into(),
        started: Moment::from_secs(started),
        rang: Some(Moment::from_secs(started + 1)),
        answered: Some(Moment::from_secs(started + 3)),
        ended: Moment::from_secs(started + 60),
        outcome: Outcome::Answered,
        status: 200,
        cause: "caller hung up".into(),
        quality: vec![LegQuality { leg: 0, codec: "PCMU".into(), mos: Some(4.4), ..LegQuality::default() }],
        price: euros(10_000),
        reserved: euros(60_000),
        released: euros(50_000),
        carrier: None,
    }
}

#[tokio::test]
async fn a_record_comes_back_as_it_was() {
    let store = fresh().await;
    let missed = CallRecord {
        id: CallId(u64::MAX),
        outcome: Outcome::NoAnswer,
        rang: None,
        answered: None,
        quality: vec![],
        price: None,
        reserved: None,
        released: None,
        ..record(0, 1, 5)
    };
    store.records().keep(&[record(7, 1, 4), missed.clone()]).await.unwrap();
    assert_eq!(store.records().find(None, CallId(7)).await.unwrap(), Some(record(7, 1, 4)));
    assert_eq!(store.records().find(None, CallId(u64::MAX)).await.unwrap(), Some(missed));
    assert_eq!(store.records().find(Some(TenantId(2)), CallId(7)).await.unwrap(), None);
}

#[tokio::test]
async fn a_record_is_kept_once_however_often_it_comes() {
    let store = fresh().await;
    let batch: Vec<_> = (0..150).map(|id| record(id, 1, id)).collect();
    store.records().keep(&batch).await.unwrap();
    store.records().keep(&batch[100..]).await.unwrap();
    let twice_in_one = [record(150, 1, 150), record(150, 1, 150)];
    store.records().keep(&twice_in_one).await.unwrap();
    let all = Page { after: None, limit: 1_000 };
    let kept = store.records().page(&RecordFilter::default(), &all).await.unwrap();
    assert_eq!((kept.items.len(), kept.next), (151, None));
}

#[tokio::test]
async fn pages_are_youngest_first_and_keep_to_tenant_and_time() {
    let store = fresh().await;
    let batch: Vec<_> = (0..40).map(|id| record(id, (id % 2) as u32, 100 + id / 4)).collect();
    store.records().keep(&batch).await.unwrap();
    let filter = RecordFilter {
        tenant: Some(TenantId(1)),
        from: Some(Moment::from_secs(101)),
        to: Some(Moment::from_secs(109)),
    };
    let (mut page, mut ids) = (Page { after: None, limit: 5 }, Vec::new());
    loop {
        let part = store.records().page(&filter, &page).await.unwrap();
        ids.extend(part.items.into_iter().map(|record| record.id.0));
        page.after = part.next;
        if page.after.is_none() {
            break;
        }
    }
    let expected: Vec<_> = (4..36).rev().filter(|id| id % 2 == 1).collect();
    assert_eq!(ids, expected);
    page.after = Some("nonsense".into());
    let error = store.records().page(&filter, &page).await.unwrap_err();
    assert_eq!(error.to_string(), r#""nonsense" is no cursor of this list"#);
}
