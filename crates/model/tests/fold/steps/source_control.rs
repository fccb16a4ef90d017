//! Steps on the linked repository and its review apps.

use annals_model::Decision;
use annals_model::app::{
    FollowUp, Link, LinkSettings, PullChange, PullRequest, PushReceived, Repository, Unlink, UpdateLink,
    review_apps,
};
use annals_model::catalogue::CommitList;

use super::{Kind, Step, flag, text};
use crate::platform::{Decided, named};

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "link a repository", decide: link },
    Kind { name: "update the link", decide: update_link },
    Kind { name: "unlink the repository", decide: unlink },
    Kind { name: "receive a push", decide: receive_push },
    Kind { name: "receive a pull request", decide: receive_pull_request },
    Kind { name: "rename a review app", decide: rename_review_app },
];

fn settings(step: &Step<'_>) -> LinkSettings {
    LinkSettings {
        branch: Some(text(&["main", "next"], step.b)),
        auto_deploy: flag(step.a),
        auto_deploy_review_apps: flag(step.b),
        delete_on_close: flag(step.a + 1),
        delete_stale: flag(step.b + 1),
        hours_before_delete_stale: Some(step.b as u32),
        ..LinkSettings::default()
    }
}

fn link(step: &mut Step<'_>) -> Decided {
    step.act(&Link {
        source: text(&["https://github.com/jane/shop", "https://gitlab.com/a/b"], step.a),
        integration_id: text(&["github", "gitlab"], step.b),
        settings: settings(step),
    })
}

fn update_link(step: &mut Step<'_>) -> Decided {
    step.act(&UpdateLink(settings(step)))
}

fn unlink(step: &mut Step<'_>) -> Decided {
    step.act(&Unlink)
}

fn receive_push(step: &mut Step<'_>) -> Decided {
    step.act(&PushReceived {
        repository: Repository { id: 7, name: "jane/shop".to_owned() },
        is_skipped: step.b == 3,
        branch: text(&["main", "next"], step.a),
        head: format!("{:040}", step.b),
        commits: CommitList::default(),
    })
}

/// Receives a pull request and does what the model says must follow, as the service does.
fn receive_pull_request(step: &mut Step<'_>) -> Decided {
    let (app, context, number) = (step.app, step.context, step.a as u64);
    let changes = [PullChange::Opened, PullChange::Synchronised, PullChange::Closed, PullChange::Other];
    let change = changes[step.b % changes.len()];
    let received = pull_request(step);
    match review_apps::pull_request_received(app, step.private, received, change, context.now)? {
        FollowUp::Create => {
            let child = context.ids.app_id(context.now);
            let name = review_apps::names(app, number).next().unwrap();
            review_apps::create(app, step.private, number, child, name, context).map(named)
        }
        FollowUp::Destroy => {
            let name = review_apps::of_pull(app, number).map(|(name, _)| name.clone()).unwrap_or_default();
            review_apps::destroy(app, step.private, &name, &name, context).map(named)
        }
        FollowUp::Deploy(_) | FollowUp::Nothing => Ok(named(Decision::none())),
    }
}

fn rename_review_app(step: &mut Step<'_>) -> Decided {
    let child = step.app.review_apps.values().find_map(|review_app| review_app.app_id);
    let child = child.unwrap_or(step.app.id);
    let renamed =
        review_apps::rename(step.app, child, &text(&["first-try", "second-try"], step.b), step.context);
    Ok(named(renamed))
}

fn pull_request(step: &Step<'_>) -> PullRequest {
    let (number, head, now) = (step.a as u64, step.b, step.context.now);
    PullRequest {
        id: number,
        number,
        title: "A change".to_owned(),
        html_url: "https://github.com/jane/shop/pull/1".to_owned(),
        source_repo_name: "jane/shop".to_owned(),
        source_repo_url: "https://github.com/jane/shop".to_owned(),
        comes_from_a_fork: head == 1,
        branch: "change".to_owned(),
        base_branch: "main".to_owned(),
        head: head.to_string(),
        opened_at: now,
        closed_at: None,
        active_at: now,
        delete_at: None,
    }
}
