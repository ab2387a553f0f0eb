//! One very large message.

use crate::post::Post;

#[tokio::test]
async fn a_message_of_fifty_mebibytes_comes_back_whole_and_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::open(folder.path());
    let alice = post.account("alice").await;
    let large = post.deliver(alice, 50 * 1024 * 1024);
    let small = async {
        let mut small = Vec::new();
        for _ in 0..40 {
            small.push(post.deliver(alice, 2000).await);
        }
        small
    };
    let mut large = Box::pin(large);
    // The small ones are through while the large one is still on its way.
    let mut mails = tokio::select! {
        biased;
        _ = &mut large => panic!("small messages waited for the large one"),
        small = small => small,
    };
    mails.push(large.await);
    post.assert_has(alice, &mails).await;
    let post = post.crash();
    post.assert_has(alice, &mails).await;
    post.store.abandon();
}
