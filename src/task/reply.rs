//! Replies: fetched, checked to be what the nodes agreed on, and shown.

use std::{io::IsTerminal as _, path::Path};

use eyre::Result;
use xenon_executor::image::{Picture, phash::phash};
use xenon_protocol::{
    relay::RelayClient,
    result::{ImageReply, Reply},
    task::{GPT_KIND, SD_KIND},
};

use super::picture;
use crate::{
    error::CliError,
    history::{Delivered, TaskHistory},
    money,
};

/// The largest reply that is fetched, in bytes: four pictures of a million pixels each, however badly they compress.
const MAX_REPLY_BYTES: u64 = 24 << 20;

/// The delivered reply, checked to be what the nodes agreed on.
pub(crate) async fn fetch_reply(relay: &RelayClient, task: &TaskHistory) -> Result<Reply> {
    if let Some(reason) = task.failure() {
        let (refund, fee) = (money::show(task.refund()), money::show(task.fee));
        return Err(CliError::Aborted { id: task.id, reason, refund, fee }.into());
    }
    let (Some(settled), Some(delivered)) = (&task.settled, &task.delivered) else {
        return Err(CliError::NoResult { id: task.id, status: task.status().into() }.into());
    };
    if task.kind == GPT_KIND && settled.result != delivered.content {
        let (content, result) = (delivered.content, settled.result);
        return Err(CliError::WrongDelivery { id: task.id, content, result }.into());
    }
    let bytes = relay.get(delivered.content, MAX_REPLY_BYTES).await?;
    let unreadable =
        |error: serde_json::Error| CliError::UnknownReply { content: delivered.content, reason: error.to_string() };
    let reply = Reply::parse(task.kind, &bytes).map_err(unreadable)?;
    if let Reply::Images(images) = &reply {
        check_pictures(task, delivered, images)?;
    }
    Ok(reply)
}

/// Pictures may differ a little from node to node, so what was agreed on is not their hash. But the node that delivers
/// has shown the perceptual hashes of its own pictures, and the contract has found them to agree: they must be these.
fn check_pictures(task: &TaskHistory, delivered: &Delivered, reply: &ImageReply) -> Result<(), CliError> {
    let wrong = |reason: String| CliError::WrongPictures { id: task.id, node: delivered.node, reason };
    if reply.data.len() != task.size as usize {
        return Err(wrong(format!("{} of {} pictures came", reply.data.len(), task.size)));
    }
    for image in &reply.data {
        let picture = Picture::from_png(&image.png).map_err(|error| wrong(error.to_string()))?;
        if phash(&picture) != image.phash {
            return Err(wrong(format!("picture {} has another perceptual hash than it says", image.index)));
        }
    }
    let shown = task.reveals.iter().find(|(node, ..)| *node == delivered.node).map(|(_, result, _)| *result);
    if task.kind == SD_KIND && shown != Some(reply.result()) {
        return Err(wrong("they are not those whose hashes it revealed".to_owned()));
    }
    Ok(())
}

/// Prints the text of the reply, or the reply as JSON. Pictures are written into `folder`, or into the current one if
/// they are not printed as JSON, and shown where the terminal can.
pub(super) fn print_reply(reply: &Reply, task: u64, as_json: bool, folder: Option<&Path>) -> Result<()> {
    if let Reply::Images(images) = reply
        && (folder.is_some() || !as_json)
    {
        let paths = picture::save(images, task, folder.unwrap_or_else(|| Path::new(".")))?;
        if !as_json {
            print_pictures(images, &paths);
        }
    }
    match reply {
        reply if as_json => println!("{}", String::from_utf8(reply.to_bytes())?),
        Reply::Chat(chat) => chat.choices.iter().for_each(|one| println!("{}", for_terminal(&one.message.content))),
        Reply::Images(_) => {}
    }
    Ok(())
}

fn print_pictures(images: &ImageReply, paths: &[std::path::PathBuf]) {
    if let Some(text) = picture::for_terminal(images) {
        println!("{text}");
    }
    for path in paths {
        println!("{}", path.display());
    }
}

/// A model's text as it is for a pipe; without the characters that could steer it for a terminal.
pub(crate) fn for_terminal(text: &str) -> String {
    let harmless = |character: &char| !character.is_control() || matches!(character, '\n' | '\t');
    if std::io::stdout().is_terminal() { text.chars().filter(harmless).collect() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, B256, U256};
    use xenon_protocol::{
        result::{ImageObject, ReplyImage},
        value::ValueRate,
    };

    use super::*;

    fn picture(shade: u8) -> Picture {
        Picture::new(8, 8, (0..192).map(|index| if index % 24 < 12 { shade } else { 0 }).collect()).unwrap()
    }

    fn reply(picture: &Picture) -> ImageReply {
        let image = ReplyImage { index: 0, png: picture.to_png().unwrap(), phash: phash(picture) };
        ImageReply { object: ImageObject::ImageList, model: "a/b".parse().unwrap(), data: vec![image] }
    }

    fn task(revealed: B256) -> (TaskHistory, Delivered) {
        let delivered = Delivered { block: 9, node: 4, content: B256::ZERO, paid: U256::ZERO };
        let task = TaskHistory {
            id: 1,
            creator: Address::ZERO,
            kind: SD_KIND,
            task_hash: B256::ZERO,
            size: 1,
            fee: U256::ZERO,
            value: ValueRate::from_raw(U256::ZERO),
            created: 1,
            drawn: None,
            seated: None,
            commits: Vec::new(),
            reveal_opened: None,
            reveals: vec![(3, B256::ZERO, 8), (4, revealed, 8)],
            settled: None,
            delivered: Some(delivered.clone()),
            closed: None,
        };
        (task, delivered)
    }

    #[test]
    fn pictures_that_were_not_voted_on_are_refused() {
        let honest = reply(&picture(200));
        let (task, delivered) = task(honest.result());
        check_pictures(&task, &delivered, &honest).unwrap();
        let other = Picture::new(8, 8, (0..=191).collect()).unwrap();
        let mut relabelled = reply(&other);
        relabelled.data[0].phash = honest.data[0].phash;
        let mut broken = honest.clone();
        broken.data[0].png.truncate(20);
        let mut twice = honest.clone();
        twice.data.push(honest.data[0].clone());
        for wrong in [reply(&other), relabelled, broken, twice] {
            let error = check_pictures(&task, &delivered, &wrong).unwrap_err();
            assert!(error.to_string().starts_with("XC-027"), "{error}");
        }
    }
}
