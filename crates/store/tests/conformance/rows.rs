//! The behaviours of rows: a read returns the last value, a listing exactly its rows, a claim each row to one caller.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use annals_model::account::Voucher;
use annals_model::{
    Account, AccountPrivateState, App, AppId, AppRef, Directory, EventId, Person, PrivateState, Time, UserId,
};
use annals_store::{
    Answer, Caller, EventCounts, Key, Listing, Mail, Neighbours, RowWrites, Setting, Store, Token, TokenHash,
    TypedRows as _, WriteSet, key,
};
use annals_testing::{START, TestStore, app, commit, user, write_rows};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) async fn rows_are_stored_replaced_removed_and_listed(test_store: &TestStore) {
    let mut store = test_store.open().await;
    let name = |name: &str| key::AppName(name.to_owned());
    assert_eq!(store.get(name("a")).await.unwrap(), None);
    write_rows(&*store, move |rows| {
        rows.put(name("a"), app(1));
        rows.put(name("b"), app(2));
        rows.put(key::Member(user(1), app(2)), ());
        rows.put(key::Member(user(1), app(1)), ());
        rows.put(key::Member(user(2), app(1)), ());
        rows.put(key::Setting(Setting::SigningKey), "00".into());
    })
    .await;
    write_rows(&*store, move |rows| {
        rows.put(name("a"), app(3));
        rows.remove(name("b"));
    })
    .await;
    for _ in 0..2 {
        assert_eq!(store.get(name("a")).await.unwrap(), Some(app(3)));
        assert_eq!(store.get(name("b")).await.unwrap(), None);
        let setting = store.get(key::Setting(Setting::SigningKey)).await.unwrap();
        assert_eq!(setting.as_deref(), Some("00"));
        let listed = store.list(key::Member::of(user(1)), 10).await.unwrap();
        assert_eq!(listed, [1, 2].map(|number| (key::Member(user(1), app(number)), ())));
        assert_eq!(store.list(key::Member::of(user(1)), 1).await.unwrap().len(), 1);
        assert!(store.list(key::Token::of(user(1)), 10).await.unwrap().is_empty());
        drop(store);
        store = test_store.open().await;
    }
}

pub(crate) async fn rows_of_every_kind_read_as_last_written(test_store: &TestStore) {
    let seed = rand::random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut store = test_store.open().await;
    let mut oracle = HashMap::new();
    for turn in 1..=60 {
        let seed = random.random();
        oracle.extend(random_rows(seed));
        // These app states change without events, so their checkpoints have to be written.
        let force_checkpoint = NUMBERS.map(app).to_vec();
        let decide = move |_: &dyn annals_store::Snapshot| {
            let force_checkpoint = force_checkpoint.clone();
            Ok(WriteSet { rows: random_rows(seed), force_checkpoint, ..WriteSet::default() })
        };
        commit(&*store, decide).await.unwrap();
        if turn % 20 == 0 {
            for _ in 0..2 {
                for (key, row) in &oracle {
                    assert_eq!(store.row(key).await.unwrap(), *row, "{key:?}");
                }
                drop(store);
                store = test_store.open().await;
            }
        }
    }
}

/// Few values, so that keys collide.
const NUMBERS: [u8; 3] = [0, 1, 0xff];
const TEXTS: [&str; 5] = ["", "a", "ab", "a\0b", "ä"];

fn random_rows(seed: u64) -> RowWrites {
    let mut random = StdRng::seed_from_u64(seed);
    let mut rows = RowWrites::default();
    for _ in 0..random.random_range(1..20) {
        write_any_row(&mut random, &mut rows);
    }
    rows
}

fn write_any_row(random: &mut StdRng, rows: &mut RowWrites) {
    let mut number = || NUMBERS[random.random_range(0..NUMBERS.len())];
    let (app, user, id) = (app(number()), user(number()), EventId::from_bytes([number(); 12]));
    let (amount, time) = (u64::from(number()), START.plus_millis(number().into()));
    let mut text = || TEXTS[random.random_range(0..TEXTS.len())].to_owned();
    let (name, text) = (text(), text());
    let hash = TokenHash::of(&name);
    let caller = if random.random() { Caller::Operator } else { Caller::User(user) };
    let person = Person { id: user, username: text.clone(), email: name.clone() };
    let setting = if random.random() { Setting::SigningKey } else { Setting::LastUnknownAttempt };
    let mut write = Writer { rows, removes: random.random_range(0..4) == 0 };
    match random.random_range(0..30) {
        0 => write.row(key::App(app), App::first_seen(&AppRef { id: app, name: text }, time).into()),
        1 => write.row(key::Account(user), Account::first_seen(&person, time).into()),
        2 => write.row(key::AppName(name), app),
        3 => write.row(key::Username(name), user),
        4 => write.row(key::Email::of(&name), user),
        5 => write.row(key::Member(user, app), ()),
        6 => write.row(key::Registered(user), ()),
        7 => write.row(key::Password(user), text.into()),
        8 => write.row(key::Token(user, id), token(id, text, time)),
        9 => write.row(key::TokenHash(hash), (user, id)),
        10 => {
            let answer = Answer { fingerprint: text, outcome: "null".to_owned(), expires_at: time };
            write.row(key::Answer(caller, name), answer.into());
        }
        11 => write.row(key::AnswerExpiry(time, caller, name), ()),
        12 => write.row(key::Setting(setting), text.into()),
        13 => write.row(key::PrivateState(app), PrivateState::default().into()),
        14 => {
            let keys = [(name, text)].into();
            let private = AccountPrivateState { keys, ..AccountPrivateState::default() };
            write.row(key::AccountPrivateState(user), private.into());
        }
        15 => write.row(key::Domain(name), app),
        16 => write.row(key::Addon(name), app),
        17 => write.row(key::AddonOf(name, text), app),
        18 => write.row(key::Invitation(hash), app),
        19 => write.row(key::UsedInvitation(hash), app),
        20 => write.row(key::Timer(time, app, amount), ()),
        21 => write.row(key::Mail(user, id), mail(id, text, time)),
        22 => write.row(key::Voucher(name), voucher(text, time)),
        23 => write.row(key::Directory(), Directory { addon_providers: Vec::new() }.into()),
        24 => write.row(key::Cursor(name), amount),
        25 => write.row(key::SharedAppName(name, app), Neighbours { earlier: Some(app), later: None }),
        26 => write.row(key::SharedDomain(name, app), Neighbours { earlier: None, later: Some(app) }),
        27 => {
            write.row(key::SharedUsername(name, user), Neighbours { earlier: Some(user), later: Some(user) })
        }
        28 => write.row(key::SharedEmail(name, user), Neighbours::NONE),
        _ => write.row(key::EventCounts(), EventCounts([(text, amount)].into()).into()),
    }
}

struct Writer<'a> {
    rows: &'a mut RowWrites,
    removes: bool,
}

impl Writer<'_> {
    fn row<K: Key>(&mut self, key: K, value: K::Value) {
        if self.removes { self.rows.remove(key) } else { self.rows.put(key, value) }
    }
}

fn token(id: EventId, name: String, time: Time) -> Arc<Token> {
    let hash = TokenHash::of(&name).to_string();
    Arc::new(Token {
        id,
        name,
        created_at: time,
        issued_at: time,
        by_password: false,
        last_used_at: None,
        hash,
    })
}

fn mail(id: EventId, text: String, time: Time) -> Arc<Mail> {
    Arc::new(Mail { id, to: text.clone(), subject: text.clone(), text, created_at: time, expires_at: time })
}

fn voucher(code: String, time: Time) -> Arc<Voucher> {
    Arc::new(Voucher { code, amount: 0.5, created_at: time, expires_at: None, uses_max: 1, uses: 0 })
}

/// The keys have parts that are prefixes of each other, and parts that end in the greatest byte.
pub(crate) async fn a_listing_and_a_claim_return_exactly_their_rows(test_store: &TestStore) {
    let store = test_store.open().await;
    let store = &*store;
    let users = [[0, 0, 0], [7, 0, 0xff], [7, 1, 0], [7, 0xff, 0xff], [8, 0, 0], [0xff, 0xff, 0xff]].map(
        |[most, second_last, last]| {
            let mut bytes = [most; 16];
            bytes[14..].copy_from_slice(&[second_last, last]);
            UserId::from_bytes(bytes)
        },
    );
    let apps = [0, 0xff].map(|byte| AppId::from_bytes([byte; 12]));
    let ids = [0, 0xff].map(|byte| EventId::from_bytes([byte; 12]));
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let times = [0, 0xff, 0x100, 0xffff, u64::MAX].map(Time::from_millis);
    // Rows of the kinds that sort next to the listed ones.
    write_rows(store, move |rows| {
        rows.put(key::AppName(String::new()), apps[0]);
        rows.put(key::Username(String::new()), users[0]);
        rows.put(key::Domain(String::new()), apps[0]);
        rows.put(key::Password(users[0]), "".into());
    })
    .await;

    let keys = pairs(&users, &apps, key::Member);
    check_listings(store, keys, (), |key| key::Member::of(key.0), |key, other| key.0 == other.0).await;

    let (keys, value) = (pairs(&users, &ids, key::Token), token(ids[0], "name".to_owned(), START));
    check_listings(store, keys, value, |key| key::Token::of(key.0), |key, other| key.0 == other.0).await;

    let (keys, value) = (pairs(&users, &ids, key::Mail), mail(ids[0], "text".to_owned(), START));
    let to = |key: &key::Mail| key::Mail::to(key.0);
    check_listings(store, keys.clone(), value.clone(), to, |key, other| key.0 == other.0).await;
    check_listings(store, keys, value, |_| key::Mail::all(), |_, _| true).await;

    // A key starts with the length of the provider's name, so shorter names come first.
    let providers = texts(&["", "a", "b", "ab", "a\0b", "abc"]);
    let keys = pairs(&providers, &texts(&["", "\0", "a", "b"]), key::AddonOf);
    let of_provider = |key: &key::AddonOf| key::AddonOf::provider(&key.0);
    check_listings(store, keys, apps[0], of_provider, |key, other| key.0 == other.0).await;

    let names = texts(&["", "\0", "a", "a\0", "a\0b", "ab", "b"]);
    let keys = names.iter().cloned().map(key::Cursor).collect();
    check_listings(store, keys, 1, |key| key::Cursor::only(&key.0), |key, other| key == other).await;

    let keys = names.iter().cloned().map(key::Voucher).collect();
    let value = voucher("CODE".to_owned(), START);
    check_listings(store, keys, value, |_| key::Voucher::all(), |_, _| true).await;

    let keys = pairs(&times, &apps, |time, app| key::Timer(time, app, u64::MAX));
    check_listings(store, keys, (), |key| key::Timer::until(key.0), |key, other| other.0 <= key.0).await;

    let callers = [Caller::Operator, Caller::User(users[5])];
    let keys = pairs(&times, &callers, |time, caller| key::AnswerExpiry(time, caller, "k".to_owned()));
    let expired = |key: &key::AnswerExpiry| key::AnswerExpiry::until(key.0);
    check_listings(store, keys, (), expired, |key, other| other.0 <= key.0).await;
}

fn pairs<A: Clone, B: Clone, K>(first: &[A], second: &[B], key: impl Fn(A, B) -> K) -> Vec<K> {
    first.iter().flat_map(|a| second.iter().map(|b| key(a.clone(), b.clone()))).collect()
}

/// Checks the listing for each of these keys, which are sorted: it has exactly the keys that belong to that key.
async fn check_listings<K: Key<Value: Debug + PartialEq> + Debug>(
    store: &dyn Store,
    keys: Vec<K>,
    value: K::Value,
    listing: fn(&K) -> Listing<K>,
    belongs: fn(&K, &K) -> bool,
) {
    for key in &keys {
        // Writing a row ends its claim.
        let (all, same) = (keys.clone(), value.clone());
        write_rows(store, move |rows| all.iter().for_each(|key| rows.put(key.clone(), same.clone()))).await;
        let expected: Vec<_> = keys
            .iter()
            .filter(|other| belongs(key, other))
            .map(|other| (other.clone(), value.clone()))
            .collect();
        assert_eq!(store.list(listing(key), 99).await.unwrap(), expected, "{key:?}");
        let mut claimed = store.claim(listing(key), 1, MINUTE).await.unwrap();
        assert_eq!(claimed, expected[..1], "{key:?}");
        claimed.extend(store.claim(listing(key), 99, MINUTE).await.unwrap());
        assert_eq!(claimed, expected, "{key:?}");
    }
}

pub(crate) async fn a_claimed_row_is_not_claimed_again(test_store: &TestStore) {
    let store = test_store.open().await;
    let timer = |millis: u64| key::Timer(START.plus_millis(millis), app(1), 7);
    write_rows(&*store, move |rows| [3, 1, 2, 9].into_iter().for_each(|millis| rows.put(timer(millis), ())))
        .await;
    let due = key::Timer::until(START.plus_millis(3));
    let claim = async |limit: usize, lease: Duration| -> Vec<key::Timer> {
        let claimed = store.claim(due.clone(), limit, lease).await.unwrap();
        claimed.into_iter().map(|(key, ())| key).collect()
    };
    assert_eq!(claim(2, MINUTE).await, [timer(1), timer(2)], "the first due rows");
    assert_eq!(claim(9, Duration::from_millis(1)).await, [timer(3)], "the remaining due row");
    // The short claim expires; the others do not yet.
    let mut again = Vec::new();
    while again.is_empty() {
        again = claim(9, MINUTE).await;
    }
    assert_eq!(again, [timer(3)]);
    assert!(claim(9, MINUTE).await.is_empty());
    assert_eq!(store.list(due.clone(), 9).await.unwrap().len(), 3, "a claim hid a row from the listing");
    // A commit that writes the row ends the claim. A row that was removed and written again is unclaimed.
    write_rows(&*store, move |rows| {
        rows.remove(timer(1));
        rows.put(timer(2), ());
    })
    .await;
    assert_eq!(claim(9, MINUTE).await, [timer(2)]);
    write_rows(&*store, move |rows| rows.put(timer(1), ())).await;
    assert_eq!(claim(9, MINUTE).await, [timer(1)]);
}
