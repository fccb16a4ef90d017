//! Random histories of an account over every action.

use std::sync::Arc;

use annals_model::account::{
    AccountAction, AccountFacts, AddCredit, AddKey, AddPaymentMethod, AddVoucher, Connect, DeleteKey,
    Disconnect, FailLogin, RequestReset, RequestUnlock, Reset, SignIn, Unlock, Voucher, key_id,
};
use annals_model::catalogue::Card;
use annals_model::{Account, Context, Directory, Event, IdSource, RandomIds, Rules, Time};
use proptest::prelude::*;

use crate::platform::{Decided, Fixed, people};

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
        let mut facts = Arc::<AccountFacts>::default();
        let mut timeline: Vec<Event> = Vec::new();
        let mut failed_in_a_row = 0;
        for (kind, a) in steps {
            now = now.plus_millis(60_000);
            let context =
                Context { now, actor: Some(jane), role: None, remote_ip: None, ids: &ids, platform: &platform };
            let was_locked = state.locked;
            let decided = decide_account(kind, a, &state, &mut facts, &context);
            for data in decided.unwrap_or_default() {
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
            if state.locked && !was_locked {
                prop_assert_eq!(failed_in_a_row, 10, "the tenth failure in a row locks");
            }
        }
    }
}

fn decide_account(
    kind: u8,
    a: u8,
    account: &Account,
    facts: &mut Arc<AccountFacts>,
    context: &Context<'_>,
) -> Decided {
    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl github";
    match kind {
        0 if a == 0 => SignIn.decide(account, facts, context),
        0 | 1 => FailLogin.decide(account, facts, context),
        2 => {
            let Some(token) = RequestUnlock.decide(account, facts, context) else { return Ok(Vec::new()) };
            Unlock { token: Some(token) }.decide(account, facts, context)
        }
        3 => {
            let (mut events, token) = RequestReset.decide(account, facts, context);
            events.extend(Reset { token: token.clone() }.decide(account, facts, context)?);
            assert!(Reset { token }.decide(account, facts, context).is_err(), "a mailed token is good once");
            Ok(events)
        }
        4 => AddCredit { payment_method: "paypal".to_owned(), amount: f64::from(a) * 5.25 }
            .decide(account, facts, context),
        5 => {
            let card = Card { brand: "visa".to_owned(), last4: "4242".to_owned(), exp: "01/2030".to_owned() };
            AddPaymentMethod {
                kind: "stripe".to_owned(),
                company: None,
                vat_number: None,
                card: (a > 0).then_some(card),
            }
            .decide(account, facts, context)
        }
        6 => {
            let voucher = Voucher {
                code: format!("CODE-{a}"),
                amount: 5.0,
                created_at: Time::EPOCH,
                expires_at: None,
                uses_max: 1,
                uses: u32::from(a == 3),
            };
            AddVoucher(voucher).decide(account, facts, context)
        }
        7 => AddKey { name: format!("key {a}"), content: KEY.to_owned() }.decide(account, facts, context),
        8 => DeleteKey { id: key_id(account.id(), &format!("key {a}")) }.decide(account, facts, context),
        9 => Connect {
            scm_type: ["github", "gitlab", "none", "github-enterprise"][usize::from(a)].to_owned(),
            url: Some("https://git.example".to_owned()),
            access_token: "secret".to_owned(),
            login: None,
        }
        .decide(account, facts, context),
        10 => {
            let id = account.integrations.keys().next().and_then(|id| id.parse().ok());
            Disconnect { id: id.unwrap_or_default() }.decide(account, facts, context)
        }
        _ => Unlock { token: None }.decide(account, facts, context),
    }
}
