# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller does around a module: run it, wait for it, validate its document, store it, and return a summary.

A task with C(async) and C(poll) above 0 would be waited for by ansible-core, which hands the job's result to the user past the
action plugin. So the plugin waits itself, whatever the task says, and tells ansible-core that there is nothing left to wait for.
A window of some length over a network connection takes the same way without C(async): then no idle connection can end it.

This plugin util is PRIVATE to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import os
import time

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.vars import merge_hash

from . import _schema, _store

display = Display()

# a shorter window is over before a connection counts as idle, and starting a job takes about a second
_JOB_SECONDS = 15
# beyond its window a job needs time to start, to attach, to read files and to write its result
_GRACE_SECONDS = 120
_DEFAULT_SECONDS = 30

# key of a result that holds a document -> its schema; a stream is a text of JSON lines, events the same as a list
_DOCUMENTS = {"profile": "profile", "preflight": "preflight", "stream": None, "events": None}
_JOB_KEYS = ("ansible_job_id", "results_file", "started", "finished")


class AuditAction(ActionBase):
    """What all of the collection's action plugins for hosts share."""

    _supports_check_mode = True
    _supports_async = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._own_job = False
        self._asks_for = None  # a job's id while this plugin asks for it

    def get_shell_option(self, option, default=None):
        """As in the base class; but a job that only this plugin knows of keeps its file in Ansible's temporary folder."""
        if option == "async_dir" and self._own_job:
            option = "remote_tmp"
        return super().get_shell_option(option, default)

    def _compute_environment_string(self, raw_environment_out=None):
        """As in the base class, and a word by which the module tells Ansible's own connection from others (module_utils/_processes/session.py)."""
        mark = self._connection._shell.env_prefix(CRYPTOFLEET_AUDIT=self._asks_for or self._connection.transport)
        return ("%s %s" % (mark, super()._compute_environment_string(raw_environment_out))).rstrip()

    def _resolve_dest(self, dest):
        """An absolute path on the controller; a separator at its end stays.

        :arg dest: str or None, as the user wrote it.
        :returns: str or None.
        """
        if not dest:
            return None
        dest = str(dest)
        return self._loader.path_dwim(os.path.expanduser(dest)).rstrip(os.sep) + (os.sep if dest.endswith(os.sep) else "")

    def _host(self, task_vars):
        return task_vars["inventory_hostname"]

    def _wait(self, jid, folder, task_vars, expected, limit, interval):
        """Poll a job until it has ended, or until the limit.

        :arg jid: str, the job's id.
        :arg folder: str, where the host keeps its result.
        :arg task_vars: dict.
        :arg expected: float, seconds until it should end; from then on it is polled every second.
        :arg limit: float, seconds to wait at most.
        :arg interval: float, seconds between two polls until then.
        :returns: dict, its result, or None where it has not ended.
        """
        start = time.monotonic()
        self._asks_for = jid
        while True:
            elapsed = time.monotonic() - start
            try:
                status = self._execute_module(
                    module_name="ansible.legacy.async_status", task_vars=task_vars,
                    module_args={"jid": jid, "mode": "status", "_async_dir": folder})
            except AnsibleConnectionFailure:
                # a connection that was cut is no end of the window; it is opened anew
                if elapsed >= limit:
                    raise
                self._reset_connection()
                status = {}
            if status.get("finished"):
                return status
            if elapsed >= limit:
                return None
            time.sleep(max(0.2, min(interval if elapsed < expected else 1, max(expected - elapsed, 1), limit - elapsed)))

    def _reset_connection(self):
        reset = getattr(self._connection, "reset", None)
        if reset is not None:
            try:
                reset()
            except AnsibleConnectionFailure as error:
                display.vvv("could not reset the connection: %s" % error)

    def _forget_job(self, path, *folders):
        """Remove a job's result file from the host, and temporary folders of Ansible.

        :arg path: str, the result file.
        :arg folders: str or None each.
        """
        self._low_level_execute_command(self._connection._shell.remove(path))
        # starting a job sets this to False: its own wrapper removes its folder then, but up to five seconds late
        self._cleanup_remote_tmp = True
        for folder in folders:
            if folder:
                self._remove_tmp_path(folder)

    def _deliver(self, result, dest, host):
        """Validate the document in a module's result; store it where there is a dest, and drop it where nobody asked for it.

        :arg result: dict, the module's.
        :arg dest: str or None, where to store the document.
        :arg host: str, the host's name in the inventory of Ansible.
        :returns: dict, the task's result.
        """
        if result.get("failed") or result.get("skipped") or result.get("unreachable"):
            return result
        # not from the invocation: whether that is in a result is a setting from ansible-core 2.21 on, INJECT_INVOCATION
        asked = result.pop("asked", {})
        key = next((name for name in _DOCUMENTS if name in result), None)
        if key is None:
            return dict(result, failed=True, msg="the module of %s returned no document" % host)
        document = result[key]
        try:
            self._validate(key, document)
        except _schema.SchemaViolation as error:
            return {"failed": True, "invalid": True, "changed": False,
                    "msg": "the document of %s does not match its schema and was discarded: %s" % (host, error)}
        if dest:
            del result[key]
            return dict(result, **self._store(key, document, dest, host))
        if not asked.get("return_document"):
            del result[key]
        return result

    @staticmethod
    def _validate(key, document):
        if key == "stream":
            _schema.validate_stream(document.splitlines())
        elif key == "events":
            _schema.validate_stream(_store.encode(event) for event in document)
        else:
            _schema.validate(document, _DOCUMENTS[key])

    def _store(self, key, document, dest, host):
        """Write the document. In check mode only say where to.

        :arg key: str, of _DOCUMENTS.
        :arg document: dict, or str for a stream.
        :arg dest: str, file or folder.
        :arg host: str, the host's name in the inventory of Ansible.
        :returns: dict, what the result gets of it.
        """
        path = _store.target_path(dest, host, _store.STREAM_SUFFIX if key == "stream" else _store.PROFILE_SUFFIX)
        if self._task.check_mode:
            return {"dest": path}
        content = document.encode("utf-8") if key == "stream" else _store.encode(document)
        try:
            return _store.write_bytes(path, content)
        except _store.StoreError as error:
            return {"failed": True, "stored": False, "msg": str(error)}


class ModuleAction(AuditAction):
    """Run the module of the same name on the host and deliver its document."""

    #: whether the module opens a window, which has a duration
    has_window = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        del tmp
        _schema.require_jsonschema()
        host = self._host(task_vars)
        arguments = dict(self._task.args)
        dest = arguments["dest"] = self._resolve_dest(arguments.get("dest"))
        if dest is None:
            del arguments["dest"]
        elif not self._task.check_mode:
            self._check_dest(dest, host)
        seconds = self._seconds()
        if self._task.async_val and self._task.async_val <= seconds:
            raise AnsibleActionFail("async: %d would end the job before its window of %d s; give at least %d"
                                    % (self._task.async_val, seconds, seconds + _GRACE_SECONDS))
        if self._task.async_val and self._task.poll == 0:
            return merge_hash(result, self._start(arguments, task_vars))
        if self.has_window:
            display.display("%s: observing for %d s%s" % (host, seconds, ", then storing in %s" % dest if dest else ""), stderr=True)
        if self._task.async_val or (seconds >= _JOB_SECONDS and self._connection.transport != "local"):
            outcome = self._run_as_job(arguments, seconds, task_vars)
        else:
            outcome = self._execute_module(module_args=arguments, task_vars=task_vars)
        return merge_hash(result, self._deliver(outcome, dest, host))

    def _seconds(self):
        """The window's length in seconds, int; 0 without a window. What is no number is left to the module to refuse."""
        if not self.has_window:
            return 0
        try:
            return int(self._task.args.get("duration", _DEFAULT_SECONDS))
        except (TypeError, ValueError):
            return _DEFAULT_SECONDS

    def _check_dest(self, dest, host):
        """Fail before the window rather than after it.

        :raises AnsibleActionFail: dest can't be written.
        """
        try:
            _store.check_writable(_store.target_path(dest, host))
        except _store.StoreError as error:
            # not from error: ansible-core 2.19 and later would append the text of every cause
            raise AnsibleActionFail(str(error)) from None

    def _start(self, arguments, task_vars):
        """Start the job of a task with poll: 0; crypto_collect does the rest.

        :returns: dict, with ansible_job_id.
        """
        outcome = self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=True)
        # ansible-core says changed of every job it starts
        return dict(outcome, changed=False)

    def _run_as_job(self, arguments, seconds, task_vars):
        """Run the module as a job that does not depend on a connection, and wait for it.

        :arg arguments: dict, the module's.
        :arg seconds: int, length of the window.
        :arg task_vars: dict.
        :returns: dict, the module's result.
        """
        interval = self._task.poll if self._task.async_val else min(30, max(5, seconds // 20))
        limit = self._task.async_val or seconds + _GRACE_SECONDS
        self._own_job = True
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        folder = self._connection._shell.tmpdir
        self._task.async_val = limit
        try:
            job = self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=True)
        finally:
            # from here on it is no async task for ansible-core: it would poll for a job that this plugin has collected
            self._task.async_val = 0
        if job.get("failed") or not job.get("ansible_job_id"):
            return dict(job, failed=True, changed=False)
        path = job["results_file"]
        outcome = self._wait(job["ansible_job_id"], os.path.dirname(path), task_vars, seconds, limit, interval)
        self._forget_job(path, folder, self._connection._shell.tmpdir)
        if outcome is None:
            return {"failed": True, "changed": False, "msg": "the job did not end within %d s and was stopped; try a shorter window" % limit}
        return {key: value for key, value in outcome.items() if key not in _JOB_KEYS}


class CollectAction(AuditAction):
    """Deliver the document of a job that was started with poll: 0."""

    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        del tmp
        _schema.require_jsonschema()
        arguments = self.validate_argument_spec(argument_spec={
            "jid": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 3720},
            "dest": {"type": "path"},
        })[1]
        host = self._host(task_vars)
        jid = arguments["jid"]
        folder = self._remote_expand_user(self.get_shell_option("async_dir", default="~/.ansible_async"))
        outcome = self._wait(jid, folder, task_vars, 0, arguments["timeout"], 1)
        if outcome is None:
            if arguments["timeout"] == 0:
                return dict(result, changed=False, finished=False, ansible_job_id=jid)
            return dict(result, changed=False, failed=True, finished=False,
                        msg="the job %s did not end within %d s" % (jid, arguments["timeout"]))
        dest = self._resolve_dest(arguments["dest"]) or outcome.get("asked", {}).get("dest")
        delivered = self._deliver(outcome, dest, host)
        delivered = {key: value for key, value in delivered.items() if key not in _JOB_KEYS}
        if delivered.get("stored") is False:
            delivered["msg"] += "; the job is kept on the host, collect it again with a dest that can be written"
        elif not self._task.check_mode:
            self._forget_job(self._connection._shell.join_path(folder, jid))
        return merge_hash(result, dict(delivered, changed=False, finished=True))
