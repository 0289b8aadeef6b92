"""Where files of the Batch API are: a directory, and a bucket of a server that speaks S3, behave alike."""

import boto3
import pytest
from moto.server import ThreadedMotoServer

from askonce.served.blobs import open_blobs

ACCESS = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def s3():
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["directory", "bucket"])
def blobs(request, tmp_path, prefix, monkeypatch):
    if request.param == "directory":
        return open_blobs(str(tmp_path / "files"))
    url = request.getfixturevalue("s3")
    for name, value in {**ACCESS, "AWS_ENDPOINT_URL": url, "AWS_ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket=prefix)
    return open_blobs(f"s3://{prefix}/some/where")


async def content(blobs, name):
    return b"".join([block async for block in blobs.read(name)])


async def blocks(count, size=1024 * 1024):
    for n in range(count):
        yield bytes([n]) * size


async def test_what_is_written_is_read_listed_and_deleted(blobs):
    await blobs.write("files/a", b"1")
    await blobs.write("files/a", b"two")
    await blobs.write("parts/b/1.jsonl", blocks(20))
    await blobs.write("parts/b/2.jsonl", b"")
    assert await content(blobs, "files/a") == b"two"
    assert await content(blobs, "parts/b/1.jsonl") == b"".join([block async for block in blocks(20)])
    assert await content(blobs, "parts/b/2.jsonl") == b""
    assert await blobs.names("parts/b") == ["parts/b/1.jsonl", "parts/b/2.jsonl"]
    assert await blobs.names("parts/c") == []
    assert await blobs.names("parts/b", older=3600) == []
    await blobs.delete(["parts/b/1.jsonl", "parts/b/2.jsonl", "parts/b/3.jsonl"])
    assert await blobs.names("parts") == []
    with pytest.raises(FileNotFoundError):
        await content(blobs, "parts/b/1.jsonl")


async def test_what_comes_half_way_is_not_there(blobs):
    async def broken():
        async for block in blocks(10):
            yield block
        raise RuntimeError("the client is gone")

    await blobs.write("files/a", b"before")
    with pytest.raises((RuntimeError, OSError)):
        await blobs.write("files/a", broken())
    with pytest.raises((RuntimeError, OSError)):
        await blobs.write("files/b", broken())
    assert await content(blobs, "files/a") == b"before"
    assert await blobs.names("files") == ["files/a"]


async def test_a_place_that_is_away_is_neither_empty_nor_made_anew(tmp_path):
    place = tmp_path / "files"
    blobs = open_blobs(str(place))
    await blobs.write("files/a", b"1")
    place.rename(tmp_path / "away")
    for is_mount_point in (False, True):
        if is_mount_point:
            place.mkdir()
        for work in (
            content(blobs, "files/a"),
            blobs.names("parts"),
            blobs.delete(["files/a"]),
            blobs.write("files/b", b"1"),
            blobs.write("parts/b/1", b"1"),
        ):
            with pytest.raises(OSError, match="mounted") as caught:
                await work
            assert not isinstance(caught.value, FileNotFoundError)
    place.rmdir()
    (tmp_path / "away").rename(place)
    assert await content(blobs, "files/a") == b"1"


async def test_a_place_that_is_none_is_refused_or_away(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file"):
        open_blobs(str(tmp_path / "file/below"))
    with pytest.raises(ValueError, match="BUCKET"):
        open_blobs("s3://")
