//! The threads of one connection, and the one that takes connections.
//!
//! A reader cuts bytes into frames and nothing more; whoever breaks the framing is cut off (T-27). A slow peer costs its
//! own connection: its reader stops when its queue is full, its replies are bounded, and a write that stalls ends it.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::thread;

use cofferdam_wire::frame::FrameReader;
use cofferdam_wire::limits;

use crate::bounds::{ACCEPT_PAUSE, READ, WRITE_STALL};
use crate::inbox::{Inbox, Link};
use crate::listener::{Connection, Listener};
use crate::process;

/// Takes connections for ever.
pub(crate) fn accept(listener: &impl Listener, inbox: &Arc<Inbox>) {
    loop {
        let Ok(connection) = listener.accept() else {
            thread::sleep(ACCEPT_PAUSE);
            continue;
        };
        // Beyond the cap it is dropped, which closes it.
        if let Some(link) = inbox.open()
            && serve(connection, &link, inbox).is_err()
        {
            inbox.close(&link);
        }
    }
}

fn serve(mut connection: impl Connection, link: &Arc<Link>, inbox: &Arc<Inbox>) -> io::Result<()> {
    connection.limit_write_time(WRITE_STALL)?;
    let mut outgoing = connection.second_handle()?;
    let writer = process::spawn("writer", {
        let (link, inbox) = (Arc::clone(link), Arc::clone(inbox));
        move || {
            // However it ends, the other direction ends too.
            let _ = write(&mut outgoing, &link, &inbox);
            inbox.cut(&link);
            outgoing.end();
        }
    })?;
    let (link, inbox) = (Arc::clone(link), Arc::clone(inbox));
    process::spawn("reader", move || {
        read(&mut connection, &link, &inbox);
        inbox.cut(&link);
        connection.end();
        // Its place is free when both threads are gone; a writer that panicked has ended the process.
        let _ = writer.join();
        inbox.close(&link);
    })?;
    Ok(())
}

fn read(stream: &mut impl Read, link: &Link, inbox: &Inbox) {
    let mut bytes = vec![0; READ];
    let mut cutter = FrameReader::default();
    let mut frames = Vec::new();
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return,
            Ok(length) => cutter.feed(&bytes[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        }
        loop {
            match cutter.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                // There is no next frame to find.
                Err(_) => return,
            }
        }
        if !frames.is_empty() && !inbox.push(link, &mut frames) {
            return;
        }
    }
}

fn write(stream: &mut impl Write, link: &Link, inbox: &Inbox) -> io::Result<()> {
    let mut bytes = Vec::new();
    while link.outbox.take(&mut bytes) {
        for piece in bytes.chunks(limits::WRITE_PIECE) {
            stream.write_all(piece)?;
            if link.outbox.written(piece.len()) {
                inbox.look_again();
            }
        }
    }
    Ok(())
}
