// What the page does that HTML and htmx do not: the growing answer, the quote beside a marker, the reading view's
// place, uploads with progress, copying. Everything it shows comes from the server, already escaped.
'use strict';
const $ = (selector, within = document) => within.querySelector(selector);
const turns = $('#turns'), composer = $('#composer'), reader = $('#reader'), quote = $('#quote'), toast = $('#toast');
const words = document.body.dataset;

let fading;
function tell(message) {
  toast.textContent = message;
  clearTimeout(fading);
  fading = setTimeout(() => { toast.textContent = ''; }, 5000);
}

// -- Asking ---------------------------------------------------------------------------------------

let run = null, replaced = null;  // what the page calls the question under way, and the turn it takes the place of

async function ask(question, extra = {}) {
  if (run) return;
  run = crypto.randomUUID?.() ?? String(Math.random());
  editing(false);
  replaced = null;
  busy(true);
  $('#message').textContent = '';
  const seen = turns.querySelector('.turn:last-child')?.dataset.seal ?? '';
  const form = new URLSearchParams({question, conversation: turns.dataset.conversation, run, seen, ...extra});
  let done = false;
  try {
    const response = await fetch('/ask', {method: 'POST', body: form});
    if (!response.ok) throw new Error(await response.text());
    const lines = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (let {value, done: over} = await lines.read(); !over; {value, done: over} = await lines.read()) {
      const whole = (rest + value).split('\n');
      rest = whole.pop();
      for (const line of whole) done = take(JSON.parse(line)) || done;
    }
  } catch (error) {
    $('#message').textContent = error instanceof TypeError ? words.gone : error.message || words.failed;
  }
  if (!done && !$('#message').textContent) $('#message').textContent = words.gone;
  const growing = $('.turn.growing');
  if (growing && replaced) growing.replaceWith(replaced);  // it is still kept
  else growing?.remove();
  if (!done && !$('#question').value) {  // nothing typed is lost
    $('#question').value = question;
    editing(Boolean(extra.replaces));
  }
  run = null;
  busy(false);
  return done;
}

function busy(is) {
  $('#send').hidden = is;
  $('#stop').hidden = !is;
  $('#stop').disabled = false;
  turns.setAttribute('aria-busy', String(is));
}

function take(event) {
  const message = event.message ?? '';
  if ($('#message').textContent !== message) $('#message').textContent = message;  // a change is spoken
  if (!event.html) return false;
  $('.welcome')?.remove();
  const place = document.createElement('template');
  place.innerHTML = event.html;
  const fresh = place.content.firstElementChild, old = document.getElementById(fresh.id);
  fresh.classList.add('fresh');
  if (old) {
    if (!old.matches('.growing')) replaced = old;
    old.replaceWith(fresh);
  } else {
    $('.turn.fresh')?.classList.remove('fresh');
    turns.append(fresh);
    turns.scrollTop = fresh.offsetTop;
  }
  if (event.state !== 'done') return false;
  // What only the last turn can do is taken from the one before.
  turns.querySelectorAll('.turn:not(:last-child) [data-retry]').forEach(button => button.remove());
  turns.querySelectorAll('.turn:not(:last-child) [data-last]').forEach(button => button.removeAttribute('data-last'));
  htmx.process(fresh);
  turns.dataset.conversation = event.conversation;
  history.replaceState(null, '', `/c/${event.conversation}#t${event.turn}`);
  remember();
  if ($('#shelf')) { $('#shelf').innerHTML = event.shelf; htmx.process($('#shelf')); }
  document.title = [$('#shelf .here a')?.title, $('.brand').textContent].filter(Boolean).join(' · ');
  $('#told').textContent = event.told;
  readAlong(fresh);
  return true;
}

// Beside the talk the reading view goes with the newest answer; nobody is taken away from what they type.
function readAlong(turn) {
  const first = $('.marker', turn);
  if (!wide.matches) return;
  if (first) htmx.ajax('GET', first.getAttribute('hx-get'), {source: first, target: reader, event: new Event('along')});
  else emptyReader();
}

let replaces = false;
function editing(is) {
  replaces = is;
  $('#replacing').hidden = !is;
}

if (composer) {
  composer.addEventListener('submit', async event => {
    event.preventDefault();
    const box = $('#question'), question = box.value, extra = replaces ? {replaces: 1} : {};
    if (run) return;
    box.value = '';
    editing(false);
    await ask(question, extra);
    box.focus({preventScroll: true});
  });
  $('#question').addEventListener('keydown', event => {
    // While a Chinese word is being composed, Enter chooses it.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    composer.requestSubmit();
  });
  $('#stop').addEventListener('click', () => {
    $('#stop').disabled = true;
    fetch('/stop', {method: 'POST', body: new URLSearchParams({run})});
  });
  $('#replacing button').addEventListener('click', () => editing(false));
  turns.addEventListener('submit', event => {
    const {again} = event.target.dataset;
    if (!again) return;
    event.preventDefault();
    ask(event.target.elements.query.value, {again});
  });
  turns.addEventListener('keydown', event => {
    if (event.key !== 'Enter' || event.isComposing || event.target.name !== 'query') return;
    event.preventDefault();
    event.target.form.requestSubmit();
  });
  turns.addEventListener('click', event => {
    const button = event.target.closest('button, a[data-link]');
    if (!button) return;
    const {example, retry, edit, copy} = button.dataset;
    if (example !== undefined) ask(example);
    if (retry !== undefined) ask(retry, {replaces: 1});
    if (copy !== undefined) put(copy, words.copied);
    if (edit !== undefined) {
      $('#question').value = edit;
      $('#question').focus();
      editing(button.dataset.last !== undefined);
    }
    if (button.matches('a[data-link]')) {
      event.preventDefault();
      history.replaceState(null, '', button.href);
      put(button.href, words.linkCopied);
    }
  });
}

async function put(text, message) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // without https, browsers have only the old way
    const box = document.createElement('textarea');
    box.value = text;
    document.body.append(box);
    box.select();
    document.execCommand('copy');
    box.remove();
  }
  tell(message);
}

// -- The quote beside a marker --------------------------------------------------------------------

function showQuote(event) {
  const marker = event.target.closest?.('.marker');
  if (!marker || !quote || (event.type === 'focusin' && (givingBack || !marker.matches(':focus-visible')))) return;
  const shown = document.getElementById(marker.dataset.quote);
  if (!shown) return;
  quote.replaceChildren(...shown.cloneNode(true).childNodes);
  quote.hidden = false;
  marker.setAttribute('aria-describedby', 'quote');
  const at = marker.getBoundingClientRect(), box = quote.getBoundingClientRect();
  const below = at.bottom + box.height + 12 < innerHeight;
  quote.style.left = `${Math.max(12, Math.min(at.left, innerWidth - box.width - 12))}px`;
  quote.style.top = `${below ? at.bottom + 6 : Math.max(6, at.top - box.height - 6)}px`;
}
function hideQuote() {
  if (!quote || quote.hidden) return;
  quote.hidden = true;
  $('[aria-describedby="quote"]')?.removeAttribute('aria-describedby');
}
for (const name of ['mouseover', 'focusin']) document.addEventListener(name, showQuote);
for (const name of ['mouseout', 'focusout', 'scroll']) document.addEventListener(name, hideQuote, true);

// -- The reading view -----------------------------------------------------------------------------

let opener = null, givingBack = false;
const wide = matchMedia('(min-width: 761px)');

function placeReader() {
  const mark = $('mark.current', reader), text = $('.text', reader);
  if (mark && text) {
    // Twice: paragraphs that were never drawn only have a guessed height before.
    for (let round = 0; round < 2; round++)
      text.scrollTop += mark.getBoundingClientRect().top - text.getBoundingClientRect().top - text.clientHeight / 4;
  }
  const href = $('header[data-href]', reader)?.dataset.href;
  document.querySelectorAll('.marker.open').forEach(marker => marker.classList.remove('open'));
  if (!href) return;
  document.querySelectorAll('.marker').forEach(marker => {
    if (href.replace('&view=file', '') === marker.getAttribute('href')) marker.classList.add('open');
  });
}

function closeReader() {
  if (!reader?.classList.contains('open')) return;
  emptyReader();
  history.replaceState(null, '', location.pathname + location.hash);
  givingBack = true;
  opener?.isConnected && opener.focus();
  givingBack = false;
}

function emptyReader() {
  reader.classList.remove('open');
  reader.replaceChildren($('#empty').content.cloneNode(true));
  document.querySelectorAll('.marker.open').forEach(marker => marker.classList.remove('open'));
}

if (reader) {
  if (reader.classList.contains('open')) placeReader();
  turns.scrollTop = document.getElementById(location.hash.slice(1))?.offsetTop ?? turns.scrollHeight;
  document.addEventListener('htmx:afterSwap', event => {
    if (event.detail.target !== reader) return;
    const from = event.detail.requestConfig.elt;
    if (!reader.contains(from) && from.isConnected) opener = from;
    reader.classList.add('open');
    hideQuote();
    history.replaceState(null, '', $('header', reader).dataset.href);
    placeReader();
    if (event.detail.requestConfig.triggeringEvent?.type !== 'along') $('.text', reader).focus({preventScroll: true});
  });
  reader.addEventListener('click', event => {
    if (event.target.closest('[data-close]')) closeReader();
    const reference = event.target.closest('[data-copy]');
    if (reference) put(reference.dataset.copy, words.referenceCopied);
  });
  reader.addEventListener('keydown', event => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === 'ArrowLeft') $('[rel="prev"]', reader)?.click();
    if (event.key === 'ArrowRight') $('[rel="next"]', reader)?.click();
  });
}
document.addEventListener('keydown', event => {
  if (event.key !== 'Escape') return;
  if (quote && !quote.hidden) hideQuote();
  else closeReader();
});
document.addEventListener('htmx:responseError', event => tell(event.detail.xhr.responseText || words.failed));
document.addEventListener('htmx:sendError', () => tell(words.gone));
$('.choice')?.addEventListener('submit', event => {
  event.target.elements.back.value = location.pathname + location.search + location.hash;
});

// The page to ask on is the conversation one was in, as long as the tab is open.
const asking = $('#masthead nav a');
function remember() {
  const conversation = turns?.dataset.conversation;
  if (turns) sessionStorage.setItem('conversation', conversation);
  const last = sessionStorage.getItem('conversation');
  asking.href = last ? `/c/${last}` : '/';
}
if ($('.failure')) sessionStorage.removeItem('conversation');
remember();

// Times are kept in UTC, and read in one's own.
function localTimes() {
  document.querySelectorAll('time:not(.local)').forEach(time => {
    const options = {dateStyle: 'medium', timeStyle: 'short'};
    time.textContent = new Date(time.dateTime).toLocaleString(document.documentElement.lang, options);
    time.classList.add('local');
  });
}
localTimes();
document.addEventListener('htmx:afterSwap', localTimes);

// -- Documents ------------------------------------------------------------------------------------

const upload = $('#upload');

function addition(name) {
  const row = $('#addition').content.firstElementChild.cloneNode(true);
  $('.name', row).textContent = name;
  $('#additions').prepend(row);
  return row;
}

// Sends one thing that is to be added; what became of it stands in its row.
function send(path, body, row) {
  return new Promise(resolve => {
    const request = new XMLHttpRequest(), step = $('.step', row), bar = $('progress', row);
    step.textContent = step.dataset.uploading;
    request.upload.onprogress = event => { if (event.lengthComputable) bar.value = 100 * event.loaded / event.total; };
    request.upload.onload = () => { bar.removeAttribute('value'); step.textContent = step.dataset.reading; };
    request.onloadend = () => {
      if (request.status === 200) row.innerHTML = request.responseText;
      else {
        bar.remove();
        step.classList.add('failed');
        step.textContent = request.responseText || words.gone;
      }
      resolve(request.status === 200 && request.getResponseHeader('X-Outcome') !== 'failed');
    };
    request.open('POST', path);
    request.setRequestHeader('HX-Request', 'true');
    request.send(body);
  });
}

function refresh() {
  if ($('#documents-list')) return htmx.ajax('GET', '/documents/list', '#documents-list');
}

function dropped(transfer) {
  const folders = [...transfer.items].map(item => item.webkitGetAsEntry?.()).filter(entry => entry?.isDirectory);
  const names = new Set(folders.map(folder => folder.name));
  for (const name of names) {
    const row = addition(name);
    $('progress', row).remove();
    $('.step', row).classList.add('failed');
    $('.step', row).textContent = $('#addition').dataset.folder;
  }
  addFiles([...transfer.files].filter(file => !names.has(file.name)));
}

async function addFiles(files) {
  const {replaces} = upload.dataset;
  const rows = [...files].slice(0, replaces ? 1 : files.length).map(file => [file, addition(file.name)]);
  let added = false;
  for (const [file, row] of rows) {
    const body = new FormData();
    body.append('file', file);
    if (replaces) body.append('replaces', replaces);
    added = await send('/documents/upload', body, row) || added;
  }
  if (added && replaces) location.href = '/documents';  // where it can be undone
  refresh();
}

if (upload) {
  const file = $('#file');
  file.addEventListener('change', () => { addFiles(file.files).then(() => { file.value = ''; }); });
  const drop = $('.drop', upload);
  for (const name of ['dragover', 'dragleave', 'drop'])
    document.addEventListener(name, event => {
      if (!event.dataTransfer.types.includes('Files')) return;  // a text that is dropped into a field
      event.preventDefault();
      drop?.classList.toggle('over', name === 'dragover');
      if (name === 'drop') dropped(event.dataTransfer);
    });
  document.querySelectorAll('form[data-add]').forEach(form => form.addEventListener('submit', async event => {
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form));
    const name = body.get('title') || body.get('address') || body.get('text')?.slice(0, 30);
    if (await send(form.dataset.add, body, addition(name))) form.reset();
    refresh();
  }));
}
