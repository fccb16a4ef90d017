//! Random histories of an account over every action.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use annals_model::account::{
    AccountAction, AccountPrivateState, AddCredit, AddKey, AddPaymentMethod, AddVoucher, Connect, DeleteKey,
    Disconnect, FailLogin, RequestReset, RequestUnlock, Reset, SignIn, Unlock, Voucher, key_id,
};
use annals_model::catalogue::Card;
use annals_model::{Account, Context, Decision, Directory, Event, IdSource, RandomIds, Rules, Time};
use proptest::prelude::*;

use crate::platform::{Decided, Fixed, named, people};

/// A kind of step: its name in messages, and what it decides.
#[derive(Debug, Clone, Copy)]
struct Kind {
    name: &'static str,
    decide: fn(Step<'_>) -> Decided,
}

const KINDS: &[Kind] = &[
    Kind { name: "try to sign in", decide: try_to_sign_in },
    Kind { name: "fail to sign in", decide: fail_to_sign_in },
    Kind { name: "unlock by mail", decide: unlock_by_mail },
    Kind { name: "unlock by the operator", decide: unlock_by_the_operator },
    Kind { name: "reset the password", decide: reset_the_password },
    Kind { name: "add credit", decide: add_credit },
    Kind { name: "add a payment method", decide: add_a_payment_method },
    Kind { name: "add a voucher", decide: add_a_voucher },
    Kind { name: "add a key", decide: add_a_key },
    Kind { name: "delete a key", decide: delete_a_key },
    Kind { name: "connect a forge", decide: connect_a_forge },
    Kind { name: "disconnect a forge", decide: disconnect_a_forge },
];

/// The kinds of steps that have recorded an event.
static REACHED: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

#[test]
fn random_histories_reach_every_action_on_an_account() {
    let all: BTreeSet<_> = KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!(all.len(), KINDS.len(), "two kinds of steps have the same name");
    for _ in 0..20 {
        folding_the_events_of_an_account_gives_its_state();
        if *REACHED.lock().unwrap() == all {
            return;
        }
    }
    let missed: Vec<_> = all.difference(&REACHED.lock().unwrap()).copied().collect();
    panic!("these kinds of steps never recorded an event: {missed:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn folding_the_events_of_an_account_gives_its_state(
        steps in prop::collection::vec((prop::sample::select(KINDS), 0..4_usize), 0..60),
    ) {
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
            let step = Step { account: &state, private: &mut private, context: &context, a };
            let Ok(Decision { events, created }) = (kind.decide)(step) else { continue };
            if !events.is_empty() {
                REACHED.lock().unwrap().insert(kind.name);
            }
            let has_created = |account: &Account| created.as_ref().map(|name| has(name, account));
            prop_assert_ne!(has_created(&state), Some(true));
            for data in events {
                failed_in_a_row = match data.event_type().name {
                    "login_failure" => failed_in_a_row + 1,
                    "login_success" | "login_unlock_success" => 0,
                    _ => failed_in_a_row,
                };
                let event = Event { id: ids.event_id(now), created_at: now, user: Some(jane.clone()), app: None, project: None, data };
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

/// Whether the account has a key or an integration with that identifier.
fn has(id: &str, account: &Account) -> bool {
    account.integrations.contains_key(id)
        || account.keys.keys().any(|name| key_id(account.id(), name).to_string() == id)
}

#[test]
fn payment_methods_added_in_the_same_millisecond_get_different_identifiers() {
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
            let event = Event {
                id: ids.event_id(now),
                created_at: now,
                user: Some(jane.clone()),
                app: None,
                project: None,
                data,
            };
            Account::apply(&mut state, &event);
            added.push(event.id);
        }
    }
    let methods: Vec<_> = state.payment_methods.iter().map(|method| method.id).collect();
    assert_eq!(methods, added);
    assert_ne!(methods[0], methods[1]);
}

/// A step as it is played: the state it decides on, and a choice that each kind uses as it likes.
struct Step<'a> {
    account: &'a Account,
    private: &'a mut Arc<AccountPrivateState>,
    context: &'a Context<'a>,
    a: usize,
}

impl Step<'_> {
    fn act<A: AccountAction>(self, action: &A) -> Decided {
        action.decide(self.account, self.private, self.context).map(named)
    }
}

/// Seldom gives the right password, so that failures add up and lock the account.
fn try_to_sign_in(step: Step<'_>) -> Decided {
    if step.a == 0 { step.act(&SignIn) } else { step.act(&FailLogin) }
}

fn fail_to_sign_in(step: Step<'_>) -> Decided {
    step.act(&FailLogin)
}

fn unlock_by_mail(step: Step<'_>) -> Decided {
    match RequestUnlock.decide(step.account, step.private, step.context).created {
        Some(token) => step.act(&Unlock { token: Some(token) }),
        None => Ok(named(Decision::none())),
    }
}

fn unlock_by_the_operator(step: Step<'_>) -> Decided {
    step.act(&Unlock { token: None })
}

fn reset_the_password(step: Step<'_>) -> Decided {
    let Step { account, private, context, .. } = step;
    let Decision { mut events, created } = RequestReset.decide(account, private, context);
    let Some(token) = created else { return Ok(named(events.into())) };
    events.extend(Reset { token: token.clone() }.decide(account, private, context)?.events);
    let again = Reset { token }.decide(account, private, context);
    assert!(again.is_err(), "a mailed token was accepted twice");
    Ok(named(events.into()))
}

fn add_credit(step: Step<'_>) -> Decided {
    let amount = step.a as f64 * 5.25;
    step.act(&AddCredit { payment_method: "paypal".to_owned(), amount })
}

fn add_a_payment_method(step: Step<'_>) -> Decided {
    let card = Card { brand: "visa".to_owned(), last4: "4242".to_owned(), exp: "01/2030".to_owned() };
    let card = (step.a > 0).then_some(card);
    step.act(&AddPaymentMethod { kind: "stripe".to_owned(), company: None, vat_number: None, card })
}

fn add_a_voucher(step: Step<'_>) -> Decided {
    let voucher = Voucher::new(&format!("code-{}", step.a), 5.0, None, 1, step.context.now)?;
    let uses = u32::from(step.a == 3);
    step.act(&AddVoucher(Voucher { uses, ..voucher }))
}

fn add_a_key(step: Step<'_>) -> Decided {
    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl github";
    let name = format!("key {}", step.a);
    step.act(&AddKey { name, content: KEY.to_owned() })
}

fn delete_a_key(step: Step<'_>) -> Decided {
    let id = key_id(step.account.id(), &format!("key {}", step.a));
    step.act(&DeleteKey { id })
}

fn connect_a_forge(step: Step<'_>) -> Decided {
    let scm_type = ["github", "gitlab", "none", "github-enterprise"][step.a].to_owned();
    let url = Some("https://git.example".to_owned());
    step.act(&Connect { scm_type, url, access_token: "secret".to_owned(), login: None })
}

fn disconnect_a_forge(step: Step<'_>) -> Decided {
    let name = step.account.integrations.keys().next().cloned();
    step.act(&Disconnect { name: name.unwrap_or_default() })
}
