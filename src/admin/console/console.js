'use strict';
// The page asks /v1 for everything that it shows, and writes all of it as text. The token is a header of each
// request; it stands in no URL and in no cookie.

const POLL = 5000;
const TAIL_LINES = 100;
const TAIL_KEPT = 1000;
const PAGE = 100;
const TOKEN = 'oncegate-token';

const $ = (id) => document.getElementById(id);
const state = {
  token: sessionStorage.getItem(TOKEN) || '', role: '', started: false,
  unknowns: new Map(), cursor: null, filter: {}, pages: 1, chosen: new Set(),
  open: null, record: null, shownRecord: '', told: null,
  lines: [], paused: false, held: 0, missed: 0, live: null,
  traffic: null, charts: new Map(), reloads: null,
};

// ---- making elements: every text is text -------------------------------------------------------------------

function el(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'class') element.className = value;
    else if (value === true) element.setAttribute(name, '');
    else element.setAttribute(name, String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

function replace(parent, ...children) {
  parent.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
}

// ---- words ---------------------------------------------------------------------------------------------------

const REASONS = {
  'upstream unreachable': 'the upstream could not be reached, after an earlier execution without a known outcome',
  'response timeout': 'sent, no answer in time',
  'connection lost': 'sent, connection lost before the answer',
  'broken answer': 'sent, the answer could not be read',
  'gateway shut down': 'sent, and the gateway was stopped before the answer',
  'lease over': 'its gateway fell silent: crashed, or cut off from the store',
};
const POLICIES = {
  hold: 'nothing: a person decides',
  retry: 'the next attempt runs it again with the same key',
  probe: 'the upstream is asked (probe)',
  marker: 'a marker row is looked up in the upstream’s database',
};
const CLIENTS = {
  running: 'They wait for this execution, or get 409 in-flight: try again later with the same key.',
  completed: 'They get the stored response again, marked as a replay.',
  settled: 'They get 409 outcome-settled: it was executed, and no response is kept. With a response supplied by the decision, they get that one.',
  cleared: 'The next attempt with this key runs the operation.',
};

function reason(text) {
  if (!text) return '';
  const status = /^status (\d+)$/.exec(text);
  return status ? `sent, the upstream answered ${status[1]}: it may have acted` : REASONS[text] || text;
}

function reasonLabel(label) {
  return label.replaceAll('-', ' ');
}

function clientsGet(record) {
  if (record.state === 'unknown') {
    return record.on_unknown === 'hold'
      ? 'They get 409 outcome-unknown: do not pay again, find out first.'
      : 'They get 409 outcome-unknown: try again later with the same key.';
  }
  if (record.state === 'completed') return `${CLIENTS.completed} Its status is ${record.status}.`;
  if (record.state === 'expired') {
    return record.executed === 'yes'
      ? 'They get 410 key-expired: it was executed, and its response is no longer kept.'
      : 'They get 409 outcome-unknown: it was not found out in time.';
  }
  return CLIENTS[record.state] || '';
}

function span(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

function roundSpan(seconds) {
  for (const [size, unit] of [[86400, 'd'], [3600, 'h'], [60, 'min']]) {
    if (seconds >= size && seconds % size === 0) return `${seconds / size} ${unit}`;
  }
  return seconds >= 60 ? span(seconds) : `${seconds} s`;
}

function number(value, digits = 1) {
  if (value === null || value === undefined) return '–';
  return value.toLocaleString(undefined, { maximumFractionDigits: value < 10 ? digits : 0 });
}

const ms = (value) => (value === null || value === undefined ? '–' : `${number(value)} ms`);

/** A time in the reader's zone, with UTC on hover. */
function time(text, withDay = true) {
  const at = new Date(text);
  const today = at.toDateString() === new Date().toDateString();
  const shown = withDay && !today ? at.toLocaleString() : at.toLocaleTimeString();
  return el('time', { datetime: text, title: `${text.replace('T', ' ').replace('Z', '')} UTC` }, shown);
}

function labels(of) {
  return Object.entries(of || {}).map(([name, value]) => el('span', { class: name.length + value.length < 28 ? 'label short' : 'label' }, el('b', {}, `${name} `), value));
}

function recordLink(id) {
  return el('a', { href: `#record/${id}`, class: 'id', title: id, 'aria-label': `record ${id}` }, id.slice(0, 10));
}

// ---- asking ----------------------------------------------------------------------------------------------------

class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

function headers(more) {
  return state.token ? { authorization: `Bearer ${state.token}`, ...more } : { ...more };
}

async function problemOf(answer) {
  let detail = `${answer.status} ${answer.statusText}`;
  try {
    const problem = await answer.json();
    detail = problem.detail || problem.title || detail;
  } catch { /* not JSON: the status says what there is to say */ }
  return new Problem(answer.status, detail);
}

async function ask(path, body) {
  const request = { headers: headers(), cache: 'no-store', credentials: 'omit', referrerPolicy: 'no-referrer' };
  if (body !== undefined) {
    Object.assign(request, { method: 'POST', body: JSON.stringify(body), headers: headers({ 'content-type': 'application/json' }) });
  }
  let answer;
  try {
    answer = await fetch(`/v1${path}`, request);
  } catch {
    throw new Problem(0, 'The gateway does not answer.');
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer.json();
}

function trouble(text) {
  if ($('trouble').textContent !== text) $('trouble').textContent = text;
  $('trouble').hidden = !text;
}

function failed(error) {
  if (!(error instanceof Problem)) throw error;
  if (error.status === 401) return askToken(state.token ? `The gateway refused this token: ${error.message}.` : '');
  if (error.status === 403) return trouble(`Refused: ${error.message}`);
  const since = state.seen ? ` The numbers below are from ${state.seen.toLocaleTimeString()}.` : '';
  return trouble(`${error.message}${since} This page asks again every five seconds.`);
}

// ---- the token ---------------------------------------------------------------------------------------------------

function askToken(why) {
  forgetToken();
  stopTail();
  $('parts').hidden = true;
  trouble('');
  if (why) $('login-why').textContent = why;
  if ($('login').hidden) {
    $('login').hidden = false;
    $('nav').hidden = true;
    $('token').focus();
  }
}

function forgetToken() {
  state.token = '';
  sessionStorage.removeItem(TOKEN);
  $('forget').hidden = true;
  $('who').textContent = '';
}

$('login-form').addEventListener('submit', (event) => {
  event.preventDefault();
  state.token = $('token').value.trim();
  sessionStorage.setItem(TOKEN, state.token);
  $('token').value = '';
  poll();
});

$('forget').addEventListener('click', () => askToken('The token is forgotten in this tab.'));

// ---- 1: the status line ------------------------------------------------------------------------------------------

function showStatus(status) {
  state.role = status.operator.role;
  state.storeTime = Date.parse(status.store_time) - Date.now();
  $('who').textContent = `${status.operator.name} (${status.operator.role})`;
  $('forget').hidden = !state.token;
  const { unknown, last_hour: hour, last_five_minutes: recent } = status;
  const stopped = status.claims_stopped.length > 0;
  document.title = `${unknown > 0 ? `(${unknown}) ` : ''}Oncegate`;
  $('status').className = unknown > 0 || stopped ? 'bad' : 'good';
  let verdict = 'Nothing waits for a person';
  if (unknown > 0) verdict = `${unknown} ${unknown === 1 ? 'payment has' : 'payments have'} an unknown outcome`;
  if (stopped) verdict = `No operation may begin: ${status.claims_stopped.join('; ')}`;
  if (status.draining) verdict += '. This gateway is stopping';
  if ($('verdict').textContent !== verdict) $('verdict').textContent = verdict;
  const figures = [
    ['Unknown now', String(unknown)],
    ['Oldest', unknown > 0 ? span(status.oldest_unknown_seconds) : '–'],
    ['New in the last hour', String(hour.became_unknown)],
    ['Settled without a person, last hour', String(hour.settled_without_a_person)],
    ['Executions in flight', String(status.executions_in_flight)],
    ['Replays a second', number(recent.replays_per_second, 2)],
    [`Added, p99 (median ${ms(recent.added_p50_ms)})`, ms(recent.added_p99_ms)],
    ['Store call, p99', ms(recent.store_p99_ms)],
  ];
  replace($('figures'), figures.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))));
}

// ---- 2: the unknown outcomes ----------------------------------------------------------------------------------

function now() {
  return Date.now() + (state.storeTime || 0);
}

async function loadUnknowns() {
  const query = new URLSearchParams({ order: 'oldest', limit: String(PAGE) });
  for (const [name, value] of Object.entries(state.filter)) if (value) query.set(name, value);
  const found = [];
  let cursor = null;
  // An operator who asked for more pages keeps them.
  for (let page = 0; page < state.pages || (found.length === 0 && cursor && page < 50); page += 1) {
    if (cursor) query.set('cursor', cursor);
    const list = await ask(`/records?${query}`);
    found.push(...list.records);
    cursor = list.next_cursor;
    if (!cursor) break;
  }
  state.cursor = cursor;
  showUnknowns(found);
}

function cell(name, ...content) {
  return el('td', { 'data-name': name, class: content.flat(Infinity).length === 0 ? 'none' : undefined }, el('div', {}, content));
}

function unknownRow(record) {
  const box = el('input', { type: 'checkbox', 'aria-label': `choose ${record.route} ${Object.values(record.labels).join(' ') || record.id}` });
  box.checked = state.chosen.has(record.id);
  box.addEventListener('change', () => {
    state.chosen[box.checked ? 'add' : 'delete'](record.id);
    showChosen();
  });
  return el('tr', { 'data-id': record.id },
    cell('Choose', box), cell('Unknown for', el('span', { class: 'age' })), cell('Route', record.route), cell('Labels', ...labels(record.labels)),
    cell('Why', reason(record.reason)), cell('What is tried', POLICIES[record.on_unknown] || record.on_unknown),
    cell('Not executed', el('span', { class: 'quiet' })), cell('Record', recordLink(record.id)));
}

function showUnknowns(found) {
  const body = $('unknowns').tBodies[0];
  const before = state.unknowns;
  state.unknowns = new Map();
  found.forEach((record, index) => {
    const known = before.get(record.id);
    const same = known && known.version === record.updated_at;
    const row = same ? known.row : unknownRow(record);
    if (known && !same) known.row.replaceWith(row);
    state.unknowns.set(record.id, { record, row, version: record.updated_at });
    if (body.rows[index] !== row) body.insertBefore(row, body.rows[index] || null);
    const quiet = Date.parse(record.quiet_at);
    const ages = span((now() - Date.parse(record.updated_at)) / 1000);
    row.querySelector('.age').textContent = ages;
    const says = row.querySelector('.quiet');
    if (quiet <= now()) says.textContent = 'now';
    else replace(says, 'from ', time(record.quiet_at));
  });
  while (body.rows.length > found.length) body.rows[body.rows.length - 1].remove();
  for (const id of state.chosen) if (!state.unknowns.has(id)) state.chosen.delete(id);
  const filtered = Object.values(state.filter).some(Boolean);
  $('unknowns').hidden = found.length === 0;
  $('unknown-empty').hidden = found.length > 0;
  $('unknown-empty').textContent = filtered
    ? 'No unknown outcome fits the filters.'
    : 'Nothing waits. A payment whose answer was lost will appear here, with the oldest first.';
  $('unknown-more').hidden = !state.cursor;
  options($('filter-route'), found.map((record) => record.route));
  options($('filter-reason'), found.map((record) => record.reason));
  document.querySelector('.chosen').hidden = found.length === 0 || state.role !== 'settle';
  showChosen();
}

/** Adds what was seen to a choice, and takes nothing away: a filter must not vanish while it is in use. */
function options(select, values) {
  const known = new Set([...select.options].map((option) => option.value));
  for (const value of [...new Set(values)].sort()) {
    if (value && !known.has(value)) select.append(el('option', { value }, value));
  }
}

function showChosen() {
  const count = state.chosen.size;
  $('decide-chosen').disabled = count === 0;
  $('decide-chosen').textContent = count > 0 ? `Decide the chosen (${count}) …` : 'Decide the chosen …';
  $('choose-all').checked = count > 0 && count === state.unknowns.size;
  $('choose-all').indeterminate = count > 0 && count < state.unknowns.size;
}

$('choose-all').addEventListener('change', () => {
  state.chosen = new Set($('choose-all').checked ? state.unknowns.keys() : []);
  for (const [id, { row }] of state.unknowns) row.querySelector('input').checked = state.chosen.has(id);
  showChosen();
});

$('filters').addEventListener('submit', (event) => {
  event.preventDefault();
  state.filter = { route: $('filter-route').value, reason: $('filter-reason').value, label: $('filter-label').value.trim() };
  state.pages = 1;
  loadUnknowns().catch(failed);
});
for (const id of ['filter-route', 'filter-reason']) $(id).addEventListener('change', () => $('filters').requestSubmit());

$('unknown-more').addEventListener('click', () => {
  state.pages += 1;
  loadUnknowns().catch(failed);
});

// ---- decisions -----------------------------------------------------------------------------------------------------

function claim(executed, count, force) {
  const subject = count === 1 ? 'this payment was' : `these ${count} payments were`;
  if (executed) return `You say that ${subject} made: no attempt will ever run ${count === 1 ? 'it' : 'them'} again, and clients are told so.`;
  const again = count === 1 ? 'the next attempt will run it' : 'the next attempt of each will run it';
  const early = force ? ' The call may still be under way, so it may happen twice.' : '';
  return `You say that ${subject} NOT made: ${again}.${early}`;
}

/** Asks whether the operator says this. Resolves to true after "yes". */
function confirmed(text, about, note) {
  const dialog = $('confirm');
  $('confirm-claim').textContent = text;
  replace($('confirm-about'), about.map((line) => el('li', {}, line)));
  $('confirm-note').textContent = note;
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}

function nameOf(record) {
  const known = Object.entries(record.labels || {}).map(([name, value]) => `${name} ${value}`).join(', ');
  return `${record.route}${known ? `, ${known}` : ''}, record ${record.id.slice(0, 10)}`;
}

function choice(name, value, title, text) {
  return el('label', { class: 'choice' }, el('input', { type: 'radio', name, value, required: true }), ` ${title}`, el('small', {}, text));
}

function decisionForm(prefix, several, early, submit) {
  const note = el('textarea', { id: `${prefix}-note`, required: true, maxlength: 1000, 'aria-describedby': `${prefix}-note-hint` });
  const force = el('input', { type: 'checkbox', id: `${prefix}-force` });
  const it = several ? 'them' : 'it';
  return [
    el('fieldset', {}, el('legend', {}, several ? 'What became of these payments?' : 'What became of this payment?'),
      choice(`${prefix}-executed`, 'yes', several ? 'They were made' : 'It was made', `No attempt runs ${it} again. Clients get 409 outcome-settled: executed, no response kept.`),
      choice(`${prefix}-executed`, 'no', several ? 'They were NOT made' : 'It was NOT made', `The next attempt with the same key runs ${it}.`)),
    early ? el('label', { class: 'choice' }, force, ' Say “not executed” although the call may still be under way',
      el('small', {}, early)) : null,
    el('label', { for: `${prefix}-note` }, 'Note: how do you know? It stays in the record and in the audit log.'), note,
    el('p', { class: 'hint', id: `${prefix}-note-hint` }, 'For example: seen in the bank’s ledger of today, page 4.'),
    el('p', { class: 'actions' }, ...submit),
  ];
}

function decisionIn(form, prefix) {
  const executed = form.elements[`${prefix}-executed`].value === 'yes';
  const force = !executed && Boolean(form.elements[`${prefix}-force`]?.checked);
  return { executed, note: form.elements[`${prefix}-note`].value.trim(), force };
}

function decide(record, { executed, note, force }) {
  // The number of the execution keeps a decision from meeting an execution that the operator has not seen.
  return ask(`/records/${record.id}/resolve`, { executed, note, execution: record.execution, ...(force ? { force } : {}) });
}

$('decide-chosen').addEventListener('click', () => {
  const records = [...state.chosen].map((id) => state.unknowns.get(id).record);
  const early = records.filter((record) => Date.parse(record.quiet_at) > now());
  const cancel = el('button', { type: 'button', onclick: () => $('many').close() }, 'Cancel');
  replace($('many-body'),
    el('p', {}, `${records.length} chosen:`),
    el('ul', {}, records.slice(0, 20).map((record) => el('li', {}, nameOf(record))), records.length > 20 ? el('li', {}, `and ${records.length - 20} more`) : null),
    decisionForm('many', true, early.length > 0 ? `${early.length} of them may still be under way. Without this, the gateway refuses those.` : '',
      [cancel, el('button', { type: 'submit', class: 'main' }, 'Go on …')]));
  state.many = records;
  $('many').showModal();
});

$('many-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const records = state.many;
  const decision = decisionIn($('many-form'), 'many');
  const about = records.slice(0, 20).map(nameOf);
  if (records.length > 20) about.push(`and ${records.length - 20} more`);
  if (!(await confirmed(claim(decision.executed, records.length, decision.force), about, decision.note))) return;
  const progress = el('p', { role: 'status' });
  const refused = el('ul', { class: 'refused' });
  const close = el('button', { type: 'button', class: 'main', disabled: true, onclick: () => $('many').close() }, 'Close');
  replace($('many-body'), progress, refused, el('p', { class: 'actions' }, close));
  let done = 0;
  for (const record of records) {
    try {
      await decide(record, decision);
      done += 1;
      state.chosen.delete(record.id);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      refused.append(el('li', {}, `${nameOf(record)}: ${error.message}`));
    }
    progress.textContent = `${done} of ${records.length} recorded in the store${refused.children.length ? `, ${refused.children.length} refused:` : '.'}`;
  }
  refused.hidden = refused.children.length === 0;
  close.disabled = false;
  close.focus();
  poll();
});

// ---- 3: one record -------------------------------------------------------------------------------------------------

$('find').addEventListener('submit', (event) => {
  event.preventDefault();
  const id = $('find-id').value.trim();
  if (id) location.hash = `#record/${encodeURIComponent(id)}`;
});

async function openRecord(id, focus) {
  if (state.open !== id) Object.assign(state, { open: id, record: null, shownRecord: '', told: null });
  try {
    const record = await ask(`/records/${encodeURIComponent(id)}`);
    if (state.open !== id) return;
    state.record = record;
    showRecord();
  } catch (error) {
    if (!(error instanceof Problem) || error.status === 401) return failed(error);
    if (state.open !== id) return;
    $('record-empty').hidden = true;
    state.shownRecord = '';
    replace($('record-body'), el('p', { class: 'refused' }, error.message));
  }
  if (focus) {
    $('record').scrollIntoView();
    $('record').focus({ preventScroll: true });
  }
}

const EVENTS = {
  claimed: (entry) => [`Execution ${entry.execution} began`, ''],
  unknown: () => ['The outcome became unknown', 'bad'],
  released: () => ['Nothing was done: the key is free again', ''],
  completed: () => ['The response was stored', 'good'],
  settled: (entry) => [`Evidence: ${entry.executed ? 'it was made' : 'it was not made'}`, entry.executed ? 'good' : ''],
  resolved: (entry) => [`Decision: ${entry.executed ? 'it was made' : 'it was NOT made'}${entry.forced ? ', forced while the call could be under way' : ''}`, entry.executed ? 'good' : ''],
  reopened: () => ['The decision was taken back', 'bad'],
  deleted: () => ['The response was deleted', ''],
  expired: () => ['The response is no longer kept', ''],
  'left-out': () => ['Steps in between are not kept', ''],
};

function timelineEntry(entry) {
  const [title, kind] = (EVENTS[entry.event] || (() => [entry.event, '']))(entry);
  const note = entry.event === 'unknown' ? el('span', {}, reason(entry.note)) : entry.note && (entry.event === 'completed' ? el('span', {}, entry.note) : el('q', {}, entry.note));
  return { at: Date.parse(entry.at), item: el('li', { class: kind }, time(entry.at), el('br'), el('b', {}, title), entry.by === 'gateway' ? null : el('span', { class: 'by' }, ` by ${entry.by}`), note ? el('div', {}, note) : null) };
}

/** The attempts that this page saw in the live tail. The gateway's times and the store's may differ a little. */
function attemptEntry(line) {
  const from = line.client ? ` from ${line.client}` : '';
  return { at: Date.parse(line.at), item: el('li', { class: 'request' }, time(line.at), el('br'), `Attempt${from} was told `, el('b', {}, `${line.status ?? 'nothing'} ${line.outcome}`), ` after ${ms(line.took_ms)}`) };
}

function timeline(record) {
  const entries = record.history.map(timelineEntry);
  const attempts = state.lines.filter((line) => line.record === record.id);
  entries.push(...attempts.map(attemptEntry));
  entries.sort((one, other) => one.at - other.at);
  const next = [];
  if (record.lease_until) next.push(el('li', {}, 'Its lease holds until ', time(record.lease_until), ', and is renewed while it runs'));
  if (record.state === 'unknown') next.push(el('li', { class: 'bad' }, el('b', {}, 'Now: '), `${POLICIES[record.on_unknown]}.`, Date.parse(record.quiet_at) > now() ? [' “Not executed” can be said from ', time(record.quiet_at), '.'] : ''));
  if (record.expires_at) next.push(el('li', {}, `This state ends by itself `, time(record.expires_at)));
  return el('ol', { class: 'timeline' }, entries.map((entry) => entry.item), next.flat());
}

function canReopen(record) {
  const last = record.history[record.history.length - 1];
  return (record.state === 'settled' || record.state === 'cleared') && last?.event === 'resolved';
}

function showRecord() {
  const { record } = state;
  const seen = state.lines.filter((line) => line.record === record.id).length;
  const shown = JSON.stringify([record, seen, state.role, Date.parse(record.quiet_at) > now(), state.told]);
  // Nothing that an operator is typing is taken away unless the record has changed.
  if (shown === state.shownRecord) return;
  // A text for one decision is not the text for the next one.
  const form = `${record.id} ${record.state} ${record.execution}`;
  const same = state.form === form;
  const held = {
    note: same && $('one-note')?.value, executed: same && document.querySelector('input[name=one-executed]:checked')?.value,
    force: same && $('one-force')?.checked, active: document.activeElement?.id,
  };
  Object.assign(state, { shownRecord: shown, form });
  $('record-empty').hidden = true;
  const facts = [
    ['State', el('span', { class: `state ${record.state}` }, record.state)],
    ['Record', el('span', { class: 'id' }, record.id)], ['Route', record.route], ['Namespace', record.namespace],
    ['Labels', Object.keys(record.labels).length ? el('span', {}, labels(record.labels)) : 'none'],
    ['Executions', String(record.execution)], ['Attempts', `${record.attempts} or more`],
    ['Clients today', clientsGet(record)],
  ];
  if (record.state === 'unknown') {
    facts.push(['After “it was made”', CLIENTS.settled], ['After “it was not made”', CLIENTS.cleared]);
  }
  replace($('record-body'), el('div', { class: 'record' },
    el('div', {}, el('h3', {}, 'From the first attempt to now'), timeline(record)),
    el('div', {}, el('h3', {}, 'Now'), el('dl', { class: 'facts' }, facts.map(([name, value]) => [el('dt', {}, name), el('dd', {}, value)])), state.told, actions(record), storedResponse(record))));
  if (held.note && $('one-note')) $('one-note').value = held.note;
  if (held.force && $('one-force')) $('one-force').checked = true;
  for (const radio of document.querySelectorAll('input[name=one-executed]')) radio.checked = radio.value === held.executed;
  if (held.active?.startsWith('one-')) $(held.active)?.focus();
}

function actions(record) {
  if (record.state !== 'unknown' && !canReopen(record)) return null;
  if (state.role !== 'settle') return el('p', { class: 'hint' }, `A decision needs a token with the role settle; yours has ${state.role}.`);
  return record.state === 'unknown' ? resolveForm(record) : reopenForm(record);
}

function told(kind, ...text) {
  state.told = el('p', { class: kind, role: 'status', tabindex: -1, id: 'told' }, ...text);
  state.shownRecord = '';
}

async function act(id, work, success) {
  try {
    const record = { ...await work() };
    told('done', success);
    if (state.open === id) state.record = record;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401) return failed(error);
    told('refused', `Nothing was recorded: ${error.message}`);
  }
  if (state.open === id) showRecord();
  $('told')?.focus();
  return poll();
}

function resolveForm(record) {
  const early = Date.parse(record.quiet_at) > now()
    ? `The call may still be under way until ${new Date(record.quiet_at).toLocaleTimeString()}. Said before, the payment may happen twice.` : '';
  const form = el('form', { 'aria-labelledby': 'decision-title' }, el('h3', { id: 'decision-title' }, 'Decide'),
    decisionForm('one', false, early, [el('button', { type: 'submit', class: 'main', id: 'one-submit' }, 'Go on …')]));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const decision = decisionIn(form, 'one');
    if (!(await confirmed(claim(decision.executed, 1, decision.force), [nameOf(record)], decision.note))) return;
    await act(record.id, () => decide(record, decision), 'Recorded in the store. While nothing has run after it, it can be taken back below.');
  });
  return form;
}

function reopenForm(record) {
  const note = el('textarea', { id: 'one-note', required: true, maxlength: 1000 });
  const form = el('form', { 'aria-labelledby': 'reopen-title' }, el('h3', { id: 'reopen-title' }, 'Take the decision back'),
    el('p', { class: 'hint' }, 'The outcome is then unknown again. This is possible while no attempt ran after the decision.'),
    el('label', { for: 'one-note' }, 'Note: why?'), note,
    el('p', { class: 'actions' }, el('button', { type: 'submit', id: 'one-submit' }, 'Take it back')));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    act(record.id, () => ask(`/records/${record.id}/reopen`, { note: note.value.trim() }), 'Taken back: the outcome is unknown again.');
  });
  return form;
}

function storedResponse(record) {
  if (!record.status || state.role !== 'settle') return null;
  const place = el('div', {});
  const button = el('button', { type: 'button' }, 'Show the stored response (the audit log notes it)');
  button.addEventListener('click', async () => {
    try {
      const { response } = await ask(`/records/${record.id}?response=true`);
      if (!response) return replace(place, el('p', { class: 'hint' }, 'No response is stored.'));
      const bytes = Uint8Array.from(atob(response.body_base64), (char) => char.charCodeAt(0));
      const text = new TextDecoder().decode(bytes);
      const head = response.headers.map(([name, value]) => `${name}: ${value}`).join('\n');
      return replace(place, el('pre', { tabindex: 0 }, `${response.status}\n${head}\n\n${text}`));
    } catch (error) {
      return replace(place, el('p', { class: 'refused' }, error.message));
    }
  });
  place.append(button);
  return place;
}

// ---- 4: the last hour ------------------------------------------------------------------------------------------------

const COLORS = ['--one', '--two', '--three', '--four', '--bad', '--dim'];
// Lines differ by their dashes as well, for readers who do not tell the colours apart.
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5], [1, 5]];

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function chart(id, series, times, unit) {
  const figure = $(id);
  const values = series.map(([, of]) => of);
  const names = series.map(([name]) => name).join('\n');
  const known = state.charts.get(id);
  const data = { series, times, unit };
  if (known && known.names === names && !known.empty) {
    // The chart stays, so that hover and focus stay on it.
    known.plot.setData([times, ...values]);
    Object.assign(known, data);
    return fillTable(known);
  }
  known?.plot?.destroy();
  for (const old of figure.querySelectorAll('.plot, details, .empty')) old.remove();
  const empty = times.length < 2 || !values.flat().some((value) => value !== null);
  const made = { figure, names, empty, ...data };
  state.charts.set(id, made);
  if (empty) {
    figure.append(el('p', { class: 'empty' }, times.length < 2 ? 'The first points will appear here within twenty seconds.' : 'There was none in the last hour. It will appear here as a line over time.'));
    return undefined;
  }
  const place = el('div', { class: 'plot', role: 'img', 'aria-label': `${figure.querySelector('figcaption').textContent}; the numbers are in the table below` });
  made.table = el('details', {}, el('summary', {}, 'Numbers'), el('div', { class: 'scroll', tabindex: 0 }));
  made.table.addEventListener('toggle', () => fillTable(made));
  figure.append(place, made.table);
  made.plot = plotOf(figure, data, place);
  return undefined;
}

function clock(seconds, timeStyle) {
  return new Date(seconds * 1000).toLocaleTimeString(undefined, { timeStyle });
}

function plotOf(figure, { series, times, unit }, place) {
  const axis = { stroke: color('--dim'), grid: { stroke: color('--line'), width: 1 }, ticks: { stroke: color('--line') } };
  const line = ([label, of], index) => ({
    label, stroke: color(COLORS[index % COLORS.length]), width: 2, dash: DASHES[index % DASHES.length], spanGaps: true,
    points: { show: of.filter((value) => value !== null).length < 30 },
    value: (plot, value) => (value === null || value === undefined ? '–' : `${number(value, 2)}${unit}`),
  });
  return new uPlot({
    width: Math.max(240, figure.clientWidth), height: 200, cursor: { drag: { x: false, y: false } },
    scales: { x: { range: (plot, first, last) => [Math.min(first, last - 600), last] }, y: { range: (plot, low, high) => [0, Math.max(high * 1.1, 0.1)] } },
    axes: [{ ...axis, values: (plot, splits) => splits.map((at) => clock(at, 'short')) }, { ...axis, size: 46 }],
    legend: { markers: { width: 3, dash: (plot, index) => ['solid', 'dashed', 'dotted', 'double'][(index - 1) % 4] } },
    series: [{ label: 'Time', value: (plot, at) => (at === null || at === undefined ? '–' : clock(at, 'medium')) }, ...series.map(line)],
  }, [times, ...series.map(([, of]) => of)], place);
}

function fillTable({ table, series, times, unit }) {
  if (!table.open) return undefined;
  const rows = times.map((at, index) => [at, ...series.map(([, of]) => of[index])]).reverse().filter((row) => row.slice(1).some(Boolean));
  const figureOf = (value) => el('td', { class: 'number' }, value === null ? '–' : `${number(value, 2)}${unit}`);
  return replace(table.querySelector('.scroll'), el('table', {},
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Until'), series.map(([name]) => el('th', { scope: 'col', class: 'number' }, name)))),
    el('tbody', {}, rows.map(([at, ...row]) => el('tr', {}, el('td', {}, time(new Date(at * 1000).toISOString())), row.map(figureOf))))));
}

function showTraffic(traffic) {
  state.traffic = traffic;
  const { intervals } = traffic;
  const times = intervals.map((interval) => Date.parse(interval.at) / 1000);
  const rate = (of) => intervals.map((interval) => of(interval) / traffic.interval_seconds);
  const duplicates = (interval) => Object.values(interval.duplicates).reduce((sum, count) => sum + count, 0);
  const any = intervals.some((interval) => interval.requests || duplicates(interval));
  chart('chart-traffic', [['Executions', any ? rate((interval) => interval.executions) : []], ['Replays', any ? rate((interval) => interval.replays) : []], ['Duplicates', any ? rate(duplicates) : []]], times, '');
  chart('chart-latency', [
    ['Request', intervals.map((interval) => interval.request_ms.p99)], ['Upstream', intervals.map((interval) => interval.upstream_ms.p99)],
    ['Store', intervals.map((interval) => interval.store_ms.p99)], ['Added by the gateway', intervals.map((interval) => interval.added_ms.p99)],
  ], times, ' ms');
  const reasons = [...new Set(intervals.flatMap((interval) => Object.keys(interval.became_unknown)))].sort();
  chart('chart-unknown', reasons.map((of) => [reasonLabel(of), intervals.map((interval) => interval.became_unknown[of] || 0)]), times, '');
  showAges(traffic);
}

function showAges({ duplicate_age: ages, ttl_seconds: ttls }) {
  const figure = $('chart-ages');
  for (const old of figure.querySelectorAll('table, .empty')) old.remove();
  const most = Math.max(0, ...ages.map((age) => age.count));
  const marks = new Map();
  for (const [route, seconds] of Object.entries(ttls)) marks.set(seconds, [...(marks.get(seconds) || []), route]);
  const waiting = [...marks].sort(([one], [other]) => one - other);
  if (most === 0) {
    const said = waiting.map(([seconds, routes]) => `${roundSpan(seconds)} (${routes.join(', ')})`).join('; ');
    figure.append(el('p', { class: 'empty' }, `No duplicate came in the last hour. How late they come will appear here, beside the ttl: ${said}.`));
    return;
  }
  const ttlRow = ([seconds, routes]) => el('tr', { class: 'ttl' }, el('td', { colspan: 3 }, `ttl ${roundSpan(seconds)}: ${routes.length > 4 ? `${routes.length} routes` : routes.join(', ')}`));
  const rows = [];
  for (const { up_to_seconds: bound, count } of ages) {
    while (waiting.length && bound !== null && waiting[0][0] < bound) rows.push(ttlRow(waiting.shift()));
    const fill = el('div', { class: 'fill' });
    fill.style.width = `${count === 0 ? 0 : Math.max(1, (100 * count) / most)}%`;
    rows.push(el('tr', {}, el('td', {}, bound === null ? 'later' : `up to ${roundSpan(bound)}`), el('td', { class: 'track' }, fill), el('td', { class: 'number' }, String(count))));
  }
  rows.push(...waiting.map(ttlRow));
  figure.append(el('table', { class: 'ages' }, el('thead', { class: 'unseen' }, el('tr', {}, el('th', { scope: 'col' }, 'Age'), el('th', {}), el('th', { scope: 'col' }, 'Duplicates'))), el('tbody', {}, rows)));
}

function resized() {
  for (const { plot, figure } of state.charts.values()) plot?.setSize({ width: Math.max(240, figure.clientWidth), height: 200 });
}
new ResizeObserver(resized).observe($('hour'));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const known of state.charts.values()) known.names = null;
  if (state.traffic) showTraffic(state.traffic);
});

// ---- 5: the live tail ------------------------------------------------------------------------------------------------

function stopTail() {
  state.live?.abort();
  state.live = null;
}

function sayTail() {
  let text = state.live ? 'Live.' : 'Not connected: tried again every five seconds.';
  if (state.paused) text = `Paused, ${state.held} new.`;
  if (state.missed > 0) text += ` ${state.missed} came too fast to be shown.`;
  if ($('tail-state').textContent !== text) $('tail-state').textContent = text;
}

async function followTail() {
  if (state.live) return;
  const live = new AbortController();
  state.live = live;
  try {
    const answer = await fetch('/v1/tail', { headers: headers({ accept: 'text/event-stream' }), signal: live.signal, cache: 'no-store', credentials: 'omit' });
    if (!answer.ok) throw await problemOf(answer);
    sayTail();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const events = (rest + value).split('\n\n');
      rest = events.pop();
      events.forEach(takeEvent);
      showLines();
    }
  } catch (error) {
    if (error instanceof Problem) state.tailRefused = error.message;
  }
  if (state.live === live) state.live = null;
  sayTail();
}

function takeEvent(event) {
  const fields = event.split('\n').map((line) => /^(\w+): ?(.*)$/.exec(line)).filter(Boolean);
  const of = (name) => fields.filter(([, field]) => field === name).map(([, , value]) => value).join('\n');
  if (of('event') === 'missed') {
    state.missed += Number(of('data'));
  } else if (of('event') === 'request') {
    state.lines.unshift(JSON.parse(of('data')));
    state.lines.length = Math.min(state.lines.length, TAIL_KEPT);
    if (state.paused) state.held += 1;
  }
}

function lineRow(line) {
  const path = line.path.length > 120 ? `${line.path.slice(0, 120)} …` : line.path;
  return el('tr', {},
    cell('Ended', time(line.at)), cell('Request', `${line.method} ${path}`), cell('Route', ...(line.route ? [line.route] : [])), cell('Outcome', line.outcome),
    cell('Status', ...(line.status ? [String(line.status)] : ['client left'])), cell('Took', ms(line.took_ms)), cell('Client', ...(line.client ? [line.client] : [])),
    cell('Labels', ...labels(line.labels)), cell('Record', ...(line.record ? [recordLink(line.record)] : [])));
}

function fitsTail(line) {
  const [route, outcome, label] = [$('tail-route').value, $('tail-outcome').value, $('tail-label').value.trim().toLowerCase()];
  const labelled = () => Object.values(line.labels).some((value) => value.toLowerCase().includes(label));
  return (!route || line.route === route) && (!outcome || line.outcome === outcome) && (!label || labelled());
}

let drawing = false;
function showLines(now = false) {
  sayTail();
  if ((state.paused && !now) || drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    options($('tail-route'), state.lines.map((line) => line.route));
    options($('tail-outcome'), state.lines.map((line) => line.outcome));
    const shown = state.lines.filter(fitsTail).slice(0, TAIL_LINES);
    const body = $('lines').tBodies[0];
    // Rows that stay are kept, so that the focus stays on them.
    const rows = shown.map((line) => (line.row ??= lineRow(line)));
    const keep = new Set(rows);
    for (const row of [...body.rows]) if (!keep.has(row)) row.remove();
    rows.forEach((row, index) => { if (body.rows[index] !== row) body.insertBefore(row, body.rows[index] || null); });
    $('lines').parentElement.hidden = shown.length === 0;
    $('tail-empty').hidden = shown.length > 0;
    $('tail-empty').textContent = state.lines.length > 0 ? 'No request since this page was opened fits the filters.' : 'Each request will appear here when it ends. There was none since this page was opened.';
    if (state.record && state.lines.some((line) => line.record === state.record.id)) showRecord();
  });
}

$('tail-filters').addEventListener('submit', (event) => event.preventDefault());
$('tail-filters').addEventListener('input', () => showLines(true));
$('pause').addEventListener('click', () => {
  state.paused = !state.paused;
  state.held = 0;
  $('pause').setAttribute('aria-pressed', String(state.paused));
  $('pause').textContent = state.paused ? 'Go on' : 'Pause';
  showLines();
});

// ---- 6: this gateway ------------------------------------------------------------------------------------------------

function showGateway(about) {
  const { store } = about;
  const facts = [
    ['Version', about.version], ['Runs since', time(about.started_at)],
    ['Store', store.place], ['The store', store.answers ? 'answers' : `does not answer: ${store.error}`],
    ['An acknowledged write survives', store.acknowledged_writes_survive],
    ['New operations', store.claims_stopped.length ? `stopped: ${store.claims_stopped.join('; ')}` : 'may begin'],
    ['Configuration', about.in_force ? ['version ', el('span', { class: 'id', title: about.in_force.digest }, about.in_force.version), ', loaded ', time(about.in_force.loaded_at)] : 'of the program'],
    ['Stopping', about.draining ? 'yes: it finishes what runs' : 'no'],
  ];
  replace($('facts'), facts.map(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]).flat());
  if ($('configuration').textContent !== about.configuration) $('configuration').textContent = about.configuration;
  showReloads(about);
}

function showReloads({ in_force: inForce, reload, refused_reload: refused }) {
  const shown = JSON.stringify([new Date().toDateString(), inForce, reload, refused]);
  // The part stays while it is true, so that an opened text stays open.
  if (state.reloads === shown) return;
  state.reloads = shown;
  const when = (of) => [time(of.at), ` (${of.cause})`];
  const parts = [];
  if (reload?.refused) {
    parts.push(el('div', { class: 'refused' }, el('p', {}, el('b', {}, `The changed configuration was refused: ${reload.outcome}. `), ...when(reload), '. The one in force stays.'), el('pre', { tabindex: 0 }, reload.text)));
  } else if (reload) {
    parts.push(el('p', {}, 'Last reload: ', ...when(reload), `: ${reload.text}.`));
  }
  if (refused && !reload?.refused) {
    parts.push(el('details', {}, el('summary', {}, `Last refused: ${refused.outcome}, `, ...when(refused)), el('pre', { tabindex: 0 }, refused.text)));
  }
  if (inForce && !reload) parts.push(el('p', { class: 'empty' }, 'No reload since the start. What became of the last one will appear here.'));
  replace($('reloads'), parts);
}

// ---- the rounds ------------------------------------------------------------------------------------------------------

let round = null;
function poll() {
  round ??= asked().finally(() => { round = null; });
  return round;
}

async function asked() {
  try {
    showStatus(await ask('/status'));
    state.seen = new Date();
    $('login').hidden = true;
    $('nav').hidden = false;
    $('parts').hidden = false;
    trouble('');
    if (!document.hidden || !state.started) {
      followTail();
      await loadUnknowns();
      if (state.open) await openRecord(state.open);
      showTraffic(await ask('/traffic'));
      showGateway(await ask('/gateway'));
    }
    if (!state.started) {
      state.started = true;
      showLines();
      route();
    }
  } catch (error) {
    failed(error);
  }
}

function route() {
  const found = /^#record\/(.+)$/.exec(location.hash);
  if (found) openRecord(decodeURIComponent(found[1]), true);
}

addEventListener('hashchange', route);
document.addEventListener('visibilitychange', () => { if (!document.hidden) poll(); });
setInterval(poll, POLL);
poll();
