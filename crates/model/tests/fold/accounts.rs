//! Random histories of an account over every action.

use std::sync::Arc;

use annals_model::account::{
    AccountAction, AccountPrivateState, AddCredit, AddKey, AddPaymentMethod, AddVoucher, Connect, DeleteKey,
    Disconnect, FailLogin, RequestReset, RequestUnlock, Reset, SignIn, Unlock, Voucher, key_id,
};
use annals_model::catalogue::Card;
use annals_model::{Account, Context, Decision, Directory, Event, IdSource, RandomIds, Rules, Time};
use proptest::prelude::*;

use crate::platform::{Decided, Fixed, named, people};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn folding_an_account_s_events_gives_its_state(steps in prop::collection::vec((0..12u8, 0..4u8), 0..60)) {
        let ids = RandomIds::starting_at(1, 0);
        let rules = Rules { instant_builder: false, public_url: String::new() };
        let platform = Fixed { directory: Directory::default(), rules, people: people() };
        let jane = &platform.people[0];
        let mut now = Time::from_millis(1_762_000_000_000);
        let mut state = Arc::new(Account::first_seen(jane, now));
        let mut private = Arc::<AccountPrivateState>::default();
        let mut timeline: Vec<Event> = Vec::new();
        let mut failed_in_a_row = 0;
        for (kind, a) in steps {
            now = now.plus_millis(60_000);
            let context =
                Context { now, actor: Some(jane), role: None, remote_ip: None, ids: &ids, lookups: &platform };
            let was_locked = state.locked;
            let decided = decide_account(kind, a, &state, &mut private, &context);
            let Ok(Decision { events, created }) = decided else { continue };
            let has_created = |account: &Account| created.as_ref().map(|name| has(name, account));
            prop_assert_ne!(has_created(&state), Some(true));
            for data in events {
                failed_in_a_row = match data.event_type().name {
                    "login_failure" => failed_in_a_row + 1,
                    "login_success" | "login_unlock_success" => 0,
                    _ => failed_in_a_row,
                };
                let event = Event { id: ids.event_id(now), created_at: now, user: Some(jane.clone()), app: None, data };
                Account::apply(&mut state, &event);
                if timeline.is_empty() {
                    let first = Account { created_at: now, ..(*state).clone() };
                    state = Arc::new(first);
                }
                timeline.push(event);
                let folded = Account::fold(&timeline);
                prop_assert_eq!(folded.as_ref(), Some(&*state));
            }
            prop_assert_ne!(has_created(&state), Some(false));
            if state.locked && !was_locked {
                prop_assert_eq!(failed_in_a_row, 10, "the tenth failure in a row locks");
            }
        }
    }
}

/// Whether the account has a key or an integration of that identifier.
fn has(id: &str, account: &Account) -> bool {
    account.integrations.contains_key(id)
        || account.keys.keys().any(|name| key_id(account.id(), name).to_string() == id)
}

#[test]
fn payment_methods_added_at_the_same_instant_are_told_apart() {
    let ids = RandomIds::starting_at(1, 0);
    let rules = Rules { instant_builder: false, public_url: String::new() };
    let platform = Fixed { directory: Directory::default(), rules, people: people() };
    let (jane, now) = (&platform.people[0], Time::from_millis(1_762_000_000_000));
    let context =
        Context { now, actor: Some(jane), role: None, remote_ip: None, ids: &ids, lookups: &platform };
    let add = AddPaymentMethod { kind: "sepa".to_owned(), company: None, vat_number: None, card: None };
    let mut state = Arc::new(Account::first_seen(jane, now));
    let mut added = Vec::new();
    for _ in 0..2 {
        for data in add.decide(&state, &mut Arc::default(), &context).unwrap().events {
            let event =
                Event { id: ids.event_id(now), created_at: now, user: Some(jane.clone()), app: None, data };
            Account::apply(&mut state, &event);
            added.push(event.id);
        }
    }
    let methods: Vec<_> = state.payment_methods.iter().map(|method| method.id).collect();
    assert_eq!(methods, added);
    assert_ne!(methods[0], methods[1]);
}

fn decide_account(
    kind: u8,
    a: u8,
    account: &Account,
    private: &mut Arc<AccountPrivateState>,
    context: &Context<'_>,
) -> Decided {
    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl github";
    match kind {
        0 if a == 0 => SignIn.decide(account, private, context).map(named),
        0 | 1 => FailLogin.decide(account, private, context).map(named),
        2 => {
            let Some(token) = RequestUnlock.decide(account, private, context).created else {
                return Ok(named(Decision::none()));
            };
            Unlock { token: Some(token) }.decide(account, private, context).map(named)
        }
        3 => {
            let Decision { mut events, created: token } = RequestReset.decide(account, private, context);
            events.extend(Reset { token: token.clone() }.decide(account, private, context)?.events);
            assert!(
                Reset { token }.decide(account, private, context).is_err(),
                "a mailed token is good once"
            );
            Ok(named(events.into()))
        }
        4 => AddCredit { payment_method: "paypal".to_owned(), amount: f64::from(a) * 5.25 }
            .decide(account, private, context)
            .map(named),
        5 => {
            let card = Card { brand: "visa".to_owned(), last4: "4242".to_owned(), exp: "01/2030".to_owned() };
            AddPaymentMethod {
                kind: "stripe".to_owned(),
                company: None,
                vat_number: None,
                card: (a > 0).then_some(card),
            }
            .decide(account, private, context)
            .map(named)
        }
        6 => {
            let voucher = Voucher::new(&format!("code-{a}"), 5.0, None, 1, context.now)?;
            AddVoucher(Voucher { uses: u32::from(a == 3), ..voucher })
                .decide(account, private, context)
                .map(named)
        }
        7 => AddKey { name: format!("key {a}"), content: KEY.to_owned() }
            .decide(account, private, context)
            .map(named),
        8 => DeleteKey { id: key_id(account.id(), &format!("key {a}")) }
            .decide(account, private, context)
            .map(named),
        9 => Connect {
            scm_type: ["github", "gitlab", "none", "github-enterprise"][usize::from(a)].to_owned(),
            url: Some("https://git.example".to_owned()),
            access_token: "secret".to_owned(),
            login: None,
        }
        .decide(account, private, context)
        .map(named),
        10 => {
            let id = account.integrations.keys().next().and_then(|id| id.parse().ok());
            Disconnect { id: id.unwrap_or_default() }.decide(account, private, context).map(named)
        }
        _ => Unlock { token: None }.decide(account, private, context).map(named),
    }
}
