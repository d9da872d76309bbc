"""``python -m ran_deploy`` is the ``ran-deploy`` command."""

from ran_deploy.cli.app import main

if __name__ == "__main__":
    main()
