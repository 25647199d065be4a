//! A web server that is neither parent nor revocation service: a vendor's address, or a validator.

use std::sync::{Arc, Mutex};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::server::{acceptor, read_request};

/// The body for a path with its query; nothing is "not found".
pub(crate) type Answers = Box<dyn Fn(&str) -> Option<Vec<u8>> + Send>;

pub(crate) struct Web {
    pub(crate) url: String,
    pub(crate) ca_pem: String,
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<usize>>,
}

impl Web {
    pub(crate) async fn start() -> Web {
        let (acceptor, ca_pem) = acceptor();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let web = Web {
            url: format!("https://{}", listener.local_addr().unwrap()),
            ca_pem,
            answers: Arc::new(Mutex::new(Box::new(|_| None))),
            asked: Arc::default(),
        };
        let (answers, asked) = (web.answers.clone(), web.asked.clone());
        tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(connection).await else {
                    continue;
                };
                let Some(request) = read_request(&mut stream).await else {
                    continue;
                };
                *asked.lock().unwrap() += 1;
                let answer = answers.lock().unwrap()(&request.path);
                let (status, body) = match answer {
                    Some(body) => ("200 OK", body),
                    None => ("404 Not Found", Vec::new()),
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                // A client that does not want so much has hung up.
                let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
                let _ = stream.shutdown().await;
            }
        });
        web
    }

    /// Gives these answers from now on.
    pub(crate) fn answer(&self, answers: Answers) {
        *self.answers.lock().unwrap() = answers;
    }

    /// Gives this body at this path, and nothing elsewhere.
    pub(crate) fn serve(&self, path: &'static str, body: Vec<u8>) {
        self.answer(Box::new(move |asked| (asked == path).then(|| body.clone())));
    }

    /// How many questions came.
    pub(crate) fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}
