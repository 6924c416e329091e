//! The bucket as its users see it, on a real folder.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;

use super::*;
use crate::Exit;

fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

/// Gives the bytes that were written.
async fn sync(bucket: &Bucket, file: File) -> Option<u64> {
    let (attributes, present) = (Attributes::default(), Present::default());
    let sent = bucket.sync(&name("f"), file, &attributes, &present).await;
    sent.unwrap().map(|sent| sent.size)
}

/// A place with room beside the bucket; the bucket's own folder is not made yet.
fn place() -> (tempfile::TempDir, Bucket) {
    let place = tempfile::tempdir().unwrap();
    let url = format!("file://{}/b", place.path().display());
    (place, Bucket::parse(&url, &Env::default()).unwrap())
}

fn name(name: &str) -> ObjectName {
    ObjectName::parse(name).unwrap()
}

#[test]
fn a_bucket_is_an_absolute_file_url() {
    let bucket = Bucket::parse("file:///tmp//b/./c/", &Env::default()).unwrap();
    assert_eq!(bucket.to_string(), "file:///tmp/b/c");
    assert_eq!(bucket.url(&name("a/b c")), "file:///tmp/b/c/a/b c");
    let top = Bucket::parse("file:///", &Env::default()).unwrap();
    assert_eq!(top.url(&name("a")), "file:///a");
    for bad in [
        "",
        "b",
        "/b",
        "file:",
        "file://",
        "file://b/c",
        "file:///a/../b",
        "file:///a\nb",
        "s3://b",
    ] {
        let error = Bucket::parse(bad, &Env::default()).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage, "{bad:?}");
    }
}

#[test]
fn a_gs_bucket_is_a_name_and_its_server_comes_from_the_environment() {
    let bucket = Bucket::parse("gs://my-bucket/", &Env::default()).unwrap();
    assert_eq!(bucket.url(&name("a/b c")), "gs://my-bucket/a/b c");
    assert_eq!(bucket.local_path(&name("a")), None);
    for bad in [
        "gs://",
        "gs://a",
        "gs://A-b",
        "gs://bucket/folder",
        "gs://a\nbc",
    ] {
        let error = Bucket::parse(bad, &Env::default()).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage, "{bad:?}");
    }
    let env: Env = [("STORAGE_EMULATOR_HOST", "ftp://x")].into_iter().collect();
    assert!(Bucket::parse("gs://bucket", &env).is_err());
}

#[test]
fn what_is_written_is_read_listed_and_replaced() {
    let (place, bucket) = place();
    on_a_runtime(async {
        assert_eq!(bucket.read(&name("x/a")).await.unwrap(), None);
        assert_eq!(bucket.list(&name("x")).await.unwrap(), []);
        bucket.write(&name("x/b/c"), b"1").await.unwrap();
        bucket.write(&name("x/a"), b"first").await.unwrap();
        bucket.write(&name("x/a"), b"22").await.unwrap();
        bucket.write(&name("xx"), b"").await.unwrap();
        assert_eq!(bucket.read(&name("x/a")).await.unwrap().unwrap(), b"22");
        let object = |text: &str, size| Object {
            name: name(text),
            size,
        };
        assert_eq!(
            bucket.list(&name("x")).await.unwrap(),
            [object("x/a", 2), object("x/b/c", 1)]
        );
        let mut text = String::new();
        let mut reader = bucket.open_blocking(&name("x/a")).unwrap();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "22");
        let error = bucket.open_blocking(&name("x/none")).err().unwrap();
        assert_eq!(error.exit(), Exit::Unavailable);
    });
    let left = fs::read_dir(place.path().join("b/x")).unwrap().count();
    assert_eq!(left, 2, "nothing temporary is left");
}

#[test]
fn a_sync_writes_only_what_differs() {
    let (place, bucket) = place();
    let file = place.path().join("file");
    let mut content = vec![7; 200_000];
    on_a_runtime(async {
        fs::write(&file, &content).unwrap();
        let open = || File::open(&file).unwrap();
        let first = sync(&bucket, open()).await;
        assert_eq!(first, Some(200_000));
        assert_eq!(sync(&bucket, open()).await, None);
        // The same size, one byte of the last block.
        content[199_999] = 8;
        fs::write(&file, &content).unwrap();
        let changed = sync(&bucket, open()).await;
        assert_eq!(changed, Some(200_000));
        assert_eq!(bucket.read(&name("f")).await.unwrap().unwrap(), content);
        fs::write(&file, b"").unwrap();
        assert_eq!(sync(&bucket, open()).await, Some(0));
        assert_eq!(sync(&bucket, open()).await, None);
        let empty = bucket.upload(&name("g"), &file).await.unwrap();
        assert_eq!(empty, 0);
    });
}

#[test]
fn a_file_being_written_is_no_object() {
    let (place, bucket) = place();
    on_a_runtime(async {
        bucket.write(&name("x/a"), b"").await.unwrap();
        fs::write(place.path().join("b/x/.being-written-1"), b"").unwrap();
        assert_eq!(bucket.list(&name("x")).await.unwrap().len(), 1);
        let error = bucket.write(&name("x/.being-written-1"), b"").await;
        assert!(error.is_err());
    });
}

#[test]
fn a_link_in_the_bucket_leads_no_writer_and_no_reader_out_of_it() {
    let (place, bucket) = place();
    let outside = place.path().join("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("secret"), b"secret").unwrap();
    fs::create_dir_all(place.path().join("b/x")).unwrap();
    symlink(&outside, place.path().join("b/x/folder")).unwrap();
    symlink(outside.join("secret"), place.path().join("b/x/file")).unwrap();
    on_a_runtime(async {
        let error = bucket.write(&name("x/folder/a"), b"1").await.unwrap_err();
        assert_eq!(error.exit(), Exit::Unavailable);
        assert!(
            error.report().contains("b/x/folder is a symbolic link"),
            "{}",
            error.report()
        );
        assert!(bucket.read(&name("x/folder/secret")).await.is_err());
        assert!(bucket.read(&name("x/file")).await.is_err());
        assert_eq!(bucket.list(&name("x")).await.unwrap(), []);
        // The link itself is replaced, not what it points to.
        bucket.write(&name("x/file"), b"new").await.unwrap();
    });
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"secret");
}

#[test]
fn what_is_in_the_way_is_named() {
    let (place, bucket) = place();
    on_a_runtime(async {
        bucket.write(&name("x"), b"").await.unwrap();
        let error = bucket.write(&name("x/a"), b"").await.unwrap_err();
        assert_eq!(error.exit(), Exit::Unavailable);
        let root = place.path().display();
        assert_eq!(
            error.report(),
            format!("write file://{root}/b/x/a: {root}/b/x is a file where a folder is needed")
        );
        let error = bucket.list(&name("x")).await.unwrap_err();
        assert_eq!(error.exit(), Exit::Unavailable);
        bucket.write(&name("y/a"), b"").await.unwrap();
        let error = bucket.write(&name("y"), b"").await.unwrap_err();
        assert!(error.report().contains("/b/y: Is a directory"));
        let below_a_file =
            Bucket::parse(&format!("file://{root}/b/x/deeper"), &Env::default()).unwrap();
        let error = below_a_file.write(&name("a"), b"").await.unwrap_err();
        assert_eq!(error.exit(), Exit::Unavailable);
    });
}

#[test]
fn an_object_too_large_for_memory_is_refused_but_can_be_streamed() {
    let (place, bucket) = place();
    fs::create_dir(place.path().join("b")).unwrap();
    let file = File::create(place.path().join("b/big")).unwrap();
    file.set_len(READ_LIMIT + 1).unwrap();
    on_a_runtime(async {
        let error = bucket.read(&name("big")).await.unwrap_err();
        assert!(error.report().contains("larger than 67108864 bytes"));
    });
    assert!(bucket.open_blocking(&name("big")).is_ok());
}

#[test]
fn an_upload_that_nobody_waits_for_leaves_nothing_behind() {
    let (place, bucket) = place();
    let path = place.path().join("huge");
    // More than can be copied while this test runs; no block of it is on the disk.
    let huge = File::create(&path).unwrap();
    huge.set_len(1 << 40).unwrap();
    let folder = place.path().join("b");
    let entries = || fs::read_dir(&folder).map_or(0, Iterator::count);
    on_a_runtime(async {
        let object = name("huge");
        let upload = bucket.upload(&object, &path);
        let started = async {
            while entries() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            ended = upload => panic!("{ended:?}"),
            () = started => {}
        }
        while entries() > 0 {
            tokio::task::yield_now().await;
        }
    });
}
