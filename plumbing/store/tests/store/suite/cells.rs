//! What cells tell each other: delivered twice, answers lost, cut off for a while.

use contract::account::{Destination, Number, Tenant, User};
use contract::billing::{Reserve, Settle};
use contract::record::CallRecord;
use contract::{CallId, CellId, Money, TenantId};
use ledger::{Purse, Rate, Reservation};
use machine::Moment;
use strowger_store::{Account, Dispatch, Home, Imported, Step, Store, StoreError, What};

use super::fresh;
use crate::fresh::{Fresh, NOW};

const RED: CellId = CellId(1);
const BLUE: CellId = CellId(2);
const GREEN: CellId = CellId(3);

async fn cell(number: CellId, others: &[CellId]) -> Fresh {
    let store = fresh().await;
    store.become_cell(number);
    store.homes().enter_all().await.unwrap();
    for &other in others {
        store.post().introduce(NOW, other).await.unwrap();
    }
    store
}

async fn two() -> (Fresh, Fresh) {
    let (red, blue) = (cell(RED, &[BLUE]).await, cell(BLUE, &[RED]).await);
    both_ways(&red, &blue).await;
    (red, blue)
}

/// Everything that waits for `to` is delivered, some of it twice, as if half of the answers were lost.
async fn deliver(from: &Store, to: &Store) {
    let (sender, taker) = (from.cell().unwrap(), to.cell().unwrap());
    loop {
        let due = from.post().due(taker, 3).await.unwrap();
        let Some(first) = due.first() else { return };
        if due.iter().any(|it| it.dispatch == Dispatch::Everything {}) {
            let own = from.homes().own(&Default::default()).await.unwrap().items;
            let tenants = from.tenants().all().await.unwrap();
            let tenants = tenants.into_iter().map(|tenant| Dispatch::Tenant { tenant });
            let told: Vec<_> = tenants.chain(own.into_iter().map(|home| Dispatch::Home { home })).collect();
            to.post().hear(NOW, sender, &told).await.unwrap();
        }
        assert_eq!(to.post().take(NOW, sender, &due[..1]).await.unwrap().serial, first.serial);
        let taken = to.post().take(NOW, sender, &due).await.unwrap();
        assert_eq!(taken.serial, due.last().unwrap().serial);
        assert_eq!(to.post().take(NOW, sender, &due).await.unwrap().serial, taken.serial, "once more");
        from.post().delivered(taker, taken.serial).await.unwrap();
    }
}

async fn both_ways(one: &Store, other: &Store) {
    for _ in 0..3 {
        deliver(one, other).await;
        deliver(other, one).await;
    }
}

async fn home(store: &Store, tenant: TenantId, name: &str) -> Option<CellId> {
    store.homes().find(tenant, What::User, name).await.unwrap().map(|home| home.cell)
}

async fn lies(store: &Store, account: &ledger::Account) -> i64 {
    store.ledger().balance(account).await.unwrap()
}

/// What cells owe each other is the same from both sides.
async fn is_settled(one: &Store, other: &Store) {
    let owed = lies(one, &ledger::Account::Cell { cell: other.cell().unwrap() }).await;
    assert_eq!(owed + lies(other, &ledger::Account::Cell { cell: one.cell().unwrap() }).await, 0);
}

/// As the office does it; the steps that are named are taken twice, as by one that died in between.
async fn moved(from: &Store, to: &Store, (tenant, name): (TenantId, &str), twice: bool) {
    let target = to.cell().unwrap();
    let moving = from.moves().begin(NOW, (tenant, name), target).await.unwrap();
    for _ in 0..=usize::from(twice) {
        let luggage = from.moves().pack(&moving).await.unwrap();
        let brought = to.moves().arrive(NOW, from.cell().unwrap(), &luggage).await.unwrap();
        assert_eq!(brought, luggage.micros);
    }
    let luggage = from.moves().pack(&moving).await.unwrap();
    for _ in 0..=usize::from(twice) {
        from.moves().flip(NOW, &moving, luggage.micros).await.unwrap();
    }
    for _ in 0..=usize::from(twice) {
        from.moves().depart(NOW, &moving).await.unwrap();
    }
}

#[tokio::test]
async fn accounts_made_in_one_cell_are_known_in_all_and_their_names_are_given_once() {
    let (red, blue) = two().await;
    let brand = red.tenant("brand").await;
    red.user(brand, "anna", None).await;
    both_ways(&red, &blue).await;
    assert_eq!(blue.tenants().named("brand").await.unwrap().id, brand);
    assert_eq!(home(&blue, brand, "anna").await, Some(RED));
    let user = User { tenant: brand, name: "anna".into(), ..User::default() };
    let refused = blue.users().add(NOW, &Account { user, balance: None }).await.unwrap_err();
    assert_eq!(refused.to_string(), "user \"anna\", at home in cell 1, exists already");
    let gone = red.users().remove(NOW, brand, "anna").await;
    assert!(gone.is_ok());
    both_ways(&red, &blue).await;
    blue.user(brand, "anna", None).await;
    both_ways(&red, &blue).await;
    assert_eq!(home(&red, brand, "anna").await, Some(BLUE));
}

#[tokio::test]
async fn tenants_of_two_cells_never_have_the_same_number() {
    let (red, blue) = two().await;
    let (one, other) = (red.tenant("one").await, blue.tenant("other").await);
    assert_ne!(one, other);
    both_ways(&red, &blue).await;
    assert_eq!(red.tenants().all().await.unwrap(), blue.tenants().all().await.unwrap());
    red.tenants().remove(NOW, "one").await.unwrap();
    both_ways(&red, &blue).await;
    assert_eq!(blue.tenants().all().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_platform_that_becomes_a_cell_enters_what_it_has_and_tells_who_joins_later() {
    let old = fresh().await;
    let brand = old.tenant("brand").await;
    old.user(brand, "anna", None).await;
    old.become_cell(RED);
    old.homes().enter_all().await.unwrap();
    old.homes().enter_all().await.unwrap();
    let green = cell(GREEN, &[RED]).await;
    assert!(old.post().introduce(NOW, GREEN).await.unwrap());
    assert!(!old.post().introduce(NOW, GREEN).await.unwrap());
    both_ways(&old, &green).await;
    assert_eq!(home(&green, brand, "anna").await, Some(RED));
    assert_eq!(green.tenants().named("brand").await.unwrap().id, brand);
}

#[tokio::test]
async fn what_is_behind_a_gap_is_not_taken_and_what_came_before_changes_nothing() {
    let (red, blue) = two().await;
    let brand = red.tenant("brand").await;
    for name in ["a", "b", "c"] {
        red.user(brand, name, None).await;
    }
    let due = red.post().due(BLUE, 10).await.unwrap();
    assert_eq!(due.len(), 4);
    let before = due[0].serial - 1;
    assert_eq!(blue.post().take(NOW, RED, &due[1..]).await.unwrap().serial, before);
    assert_eq!(blue.post().take(NOW, RED, &due[..2]).await.unwrap().serial, before + 2);
    let taken = blue.post().take(NOW, RED, &due).await.unwrap();
    assert_eq!(taken.serial, before + 4);
    assert_eq!(taken.changed, [(brand, Some("b".to_owned())), (brand, Some("c".to_owned()))]);
    let waiting = red.post().waiting().await.unwrap();
    assert_eq!((waiting[0].cell, waiting[0].count), (BLUE, 4), "until it is acknowledged");
}

#[tokio::test]
async fn of_two_that_were_given_the_same_name_the_lower_cells_counts_and_no_account_is_lost() {
    let (red, blue) = two().await;
    let brand = red.tenant("brand").await;
    both_ways(&red, &blue).await;
    red.user(brand, "anna", Some(5)).await;
    blue.user(brand, "anna", Some(7)).await;
    both_ways(&red, &blue).await;
    assert_eq!((home(&red, brand, "anna").await, home(&blue, brand, "anna").await), (Some(RED), Some(RED)));
    assert!(red.homes().conflicts().await.unwrap().is_empty());
    let conflict = &blue.homes().conflicts().await.unwrap()[0];
    assert_eq!((conflict.name.as_str(), conflict.cell), ("anna", RED));
    assert_eq!(blue.users().named(brand, "anna").await.unwrap().balance, Some(7));
    blue.users().remove(NOW, brand, "anna").await.unwrap();
    both_ways(&red, &blue).await;
    assert!(blue.homes().conflicts().await.unwrap().is_empty());
    assert_eq!((home(&red, brand, "anna").await, home(&blue, brand, "anna").await), (Some(RED), Some(RED)));
}

#[tokio::test]
async fn an_account_moves_with_its_numbers_and_its_money_however_often_a_step_is_taken() {
    for twice in [false, true] {
        let (red, blue) = two().await;
        let brand = red.tenant("brand").await;
        red.user(brand, "anna", Some(100_000)).await;
        let number =
            Number { tenant: brand, number: "4930111".into(), to: Destination::User { name: "anna".into() } };
        red.numbers().add(NOW, &number).await.unwrap();
        both_ways(&red, &blue).await;
        moved(&red, &blue, (brand, "anna"), twice).await;
        both_ways(&red, &blue).await;
        for store in [&red, &blue] {
            assert_eq!(home(store, brand, "anna").await, Some(BLUE));
            let number = store.homes().find(brand, What::Number, "4930111").await.unwrap().unwrap();
            assert_eq!(number.cell, BLUE);
        }
        assert_eq!(blue.users().named(brand, "anna").await.unwrap().balance, Some(100_000));
        assert_eq!(blue.numbers().find(brand, "4930111").await.unwrap(), Some(number));
        let purse = ledger::Account::User { tenant: brand, name: "anna".into() };
        assert_eq!((lies(&red, &purse).await, lies(&blue, &purse).await), (0, 100_000));
        is_settled(&red, &blue).await;
        moved(&blue, &red, (brand, "anna"), twice).await;
        both_ways(&red, &blue).await;
        assert_eq!(home(&blue, brand, "anna").await, Some(RED));
        assert_eq!(red.users().named(brand, "anna").await.unwrap().balance, Some(100_000));
        is_settled(&red, &blue).await;
    }
}

#[tokio::test]
async fn while_an_account_moves_nobody_changes_it() {
    let (red, _blue) = two().await;
    let brand = red.tenant("brand").await;
    red.user(brand, "anna", None).await;
    red.moves().begin(NOW, (brand, "anna"), BLUE).await.unwrap();
    assert_eq!(red.moves().begin(NOW, (brand, "anna"), BLUE).await.unwrap().step, Step::Begun, "again");
    let contradicts = |done: Result<(), StoreError>| matches!(done, Err(StoreError::Contradiction(_)));
    assert!(contradicts(red.users().remove(NOW, brand, "anna").await.map(drop)));
    let user = red.users().named(brand, "anna").await.unwrap().user;
    assert!(contradicts(red.users().change(&user).await));
    assert!(contradicts(red.moves().begin(NOW, (brand, "anna"), GREEN).await.map(drop)));
    red.moves().cancel(brand, "anna").await.unwrap();
    red.users().change(&user).await.unwrap();
}

#[tokio::test]
async fn a_call_that_outlasts_the_move_is_settled_where_it_began_and_sent_after_its_account() {
    let (red, blue) = two().await;
    let brand = red.tenant("brand").await;
    red.user(brand, "anna", Some(100_000)).await;
    both_ways(&red, &blue).await;
    let rate = Rate { micros_per_minute: 60_000, ..Rate::default() };
    let mut call = Reservation::open(NOW, rate, CallId(7), (brand, "anna".into()), "1002".into());
    let minute = Reserve { serial: 1, seconds: 60, ..Reserve::default() };
    let before = call.clone();
    call.reserve(NOW, &minute, Purse::Prepaid(100_000));
    write(&red, &before, &call).await;

    moved(&red, &blue, (brand, "anna"), false).await;
    assert_eq!(
        blue.users().named(brand, "anna").await.unwrap().balance,
        Some(40_000),
        "the rest is set aside"
    );
    let reserved = call.clone();
    call.settle(NOW, &Settle { talked_ms: 10_000, ..Settle::default() });
    write(&red, &reserved, &call).await;
    let record = CallRecord {
        id: CallId(7),
        tenant: brand,
        caller: "anna".into(),
        price: Some(Money { micros: 10_000, currency: "EUR".into() }),
        ..CallRecord::default()
    };
    for _ in 0..2 {
        red.records().keep(std::slice::from_ref(&record)).await.unwrap();
        red.moves().sweep(NOW).await.unwrap();
        both_ways(&red, &blue).await;
    }
    assert_eq!(red.records().find(None, CallId(7)).await.unwrap(), None);
    assert_eq!(blue.records().find(None, CallId(7)).await.unwrap(), Some(record));
    assert_eq!(blue.users().named(brand, "anna").await.unwrap().balance, Some(90_000));
    assert_eq!(lies(&red, &ledger::Account::Revenue).await, 10_000);
    is_settled(&red, &blue).await;

    let much_later = Moment::from_secs(1_800_000_000 + 120);
    red.moves().sweep(much_later).await.unwrap();
    assert_eq!(red.moves().all().await.unwrap(), []);
    assert_eq!(red.users().find(brand, "anna").await.unwrap(), None);
    assert_eq!(home(&red, brand, "anna").await, Some(BLUE));
}

async fn write(store: &Store, before: &Reservation, after: &Reservation) {
    let mut book = store.ledger().open().await.unwrap();
    let postings: Vec<_> = after.since(Some(before)).into_iter().map(|it| (after.call, it)).collect();
    book.post(NOW, &postings).await.unwrap();
    let of_users = |account: &ledger::Account| matches!(account, ledger::Account::User { .. });
    let spent = postings.iter().map(|(_, it)| {
        let sign = i64::from(of_users(&it.to)) - i64::from(of_users(&it.from));
        sign * it.micros
    });
    let spent = spent.sum();
    book.add_to_balances(&[((after.tenant, after.account.clone()), spent)]).await.unwrap();
    book.keep(&[after]).await.unwrap();
    book.commit().await.unwrap();
}

#[tokio::test]
async fn who_pays_later_takes_its_debt_along() {
    let (red, blue) = two().await;
    let brand = red.tenant("brand").await;
    red.user(brand, "bert", None).await;
    both_ways(&red, &blue).await;
    let owed = Imported { id: "m-1".into(), record: of_a_carrier(9, brand, "bert", 30_000) };
    red.imports().post(NOW, &[owed]).await.unwrap();
    moved(&red, &blue, (brand, "bert"), true).await;
    both_ways(&red, &blue).await;
    let purse = ledger::Account::User { tenant: brand, name: "bert".into() };
    assert_eq!((lies(&red, &purse).await, lies(&blue, &purse).await), (0, -30_000));
    assert_eq!(blue.users().named(brand, "bert").await.unwrap().balance, None);
    is_settled(&red, &blue).await;
}

fn of_a_carrier(id: u64, tenant: TenantId, caller: &str, micros: i64) -> CallRecord {
    CallRecord {
        id: CallId(id),
        tenant,
        caller: caller.into(),
        price: Some(Money { micros, currency: "EUR".into() }),
        carrier: Some("mno".into()),
        ..CallRecord::default()
    }
}

#[tokio::test]
async fn a_carriers_record_finds_its_account_in_whichever_cell_the_file_was_delivered_and_counts_once() {
    let (red, blue) = two().await;
    let brand = red.tenant("brand").await;
    both_ways(&red, &blue).await;
    blue.user(brand, "bert", None).await;
    both_ways(&red, &blue).await;
    let file = [Imported { id: "m-1".into(), record: of_a_carrier(9, brand, "bert", 30_000) }];
    red.imports().send(NOW, vec![(BLUE, file[0].clone())]).await.unwrap();
    red.imports().send(NOW, vec![(BLUE, file[0].clone())]).await.unwrap();
    both_ways(&red, &blue).await;
    assert!(blue.imports().post(NOW, &file).await.unwrap().is_empty(), "delivered there, too");
    assert_eq!(lies(&blue, &ledger::Account::Revenue).await, 30_000);
    assert!(blue.records().find(None, CallId(9)).await.unwrap().is_some());
    assert!(red.records().find(None, CallId(9)).await.unwrap().is_none());
}

#[tokio::test]
async fn an_account_waits_for_its_tenant_to_be_known() {
    let (red, blue) = two().await;
    let brand = red.tenant("brand").await;
    red.user(brand, "anna", None).await;
    let moving = red.moves().begin(NOW, (brand, "anna"), BLUE).await.unwrap();
    let luggage = red.moves().pack(&moving).await.unwrap();
    assert!(blue.moves().arrive(NOW, RED, &luggage).await.unwrap_err().is_away());
    both_ways(&red, &blue).await;
    blue.moves().arrive(NOW, RED, &luggage).await.unwrap();
    let entry = Home { version: 1, ..luggage.homes[0].clone() };
    blue.post().hear(NOW, RED, &[Dispatch::Home { home: Home { cell: RED, ..entry } }]).await.unwrap();
    assert_eq!(home(&blue, brand, "anna").await, Some(BLUE), "an older word changes nothing");
}

#[tokio::test]
async fn two_tenants_of_one_name_are_both_kept() {
    let (red, blue) = two().await;
    let (one, other) = (red.tenant("brand").await, blue.tenant("brand").await);
    both_ways(&red, &blue).await;
    let names = |tenants: Vec<Tenant>| -> Vec<_> { tenants.into_iter().map(|it| (it.id, it.name)).collect() };
    let brand = "brand".to_owned();
    assert_eq!(
        names(red.tenants().all().await.unwrap()),
        [(one, brand.clone()), (other, format!("brand-{other}"))]
    );
    assert_eq!(names(blue.tenants().all().await.unwrap()), [(one, format!("brand-{one}")), (other, brand)]);
}
